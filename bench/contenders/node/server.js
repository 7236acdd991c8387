#!/usr/bin/env node
// The server on Node: net and tls, as its documentation shows them. Node itself raises the limit of
// descriptors when it starts.
//
// usage: server.js WORKLOAD [--option value ...]
'use strict';

const fs = require('node:fs');
const net = require('node:net');
const tls = require('node:tls');
const {parseArgs} = require('node:util');

const requestBytes = 64;
const reply = Buffer.from('0123456789abcdef'.repeat(4));
const pieceSizes = {2: [24, 1000], 5: [8, 8, 8, 200, 800]};
const deepBytes = 100;
const slowChunkBytes = 16 * 1024;
const slowChunks = Math.floor(100 * 1000 * 1000 / slowChunkBytes);
const backlog = 4096;
// So much for one peer, then it is the turn of the others.
const turnBytes = 1024 * 1024;
const maxTurnWrites = 256;

class UnknownWorkload extends Error {}

function pattern(size) {
  const bytes = Buffer.alloc(size);
  for (let i = 0; i < size; ++i) {
    bytes[i] = (i * 131 + (i >> 8) * 7) & 255;
  }
  return bytes;
}

function echo(socket) {
  socket.pipe(socket);
}

// Calls `answer` for each whole request.
function onRequests(socket, answer) {
  let partial = 0;
  socket.on('data', (data) => {
    for (partial += data.length; partial >= requestBytes; partial -= requestBytes) {
      answer();
    }
  });
}

function answerInPieces(count) {
  if (!(count in pieceSizes)) {
    throw new Error('--pieces is 2 or 5');
  }
  const bytes = pattern(1024);
  let start = 0;
  const pieces = pieceSizes[count].map((size) => bytes.subarray(start, start += size));
  return (socket) => onRequests(socket, () => {
    for (const piece of pieces) {
      socket.write(piece);
    }
  });
}

// Writes `chunk` `chunks` times, until write() says that the buffer is full, and on after 'drain'.
function offer(socket, chunk, chunks) {
  let left = chunks;
  let writes = 0;
  const turnWrites = Math.min(maxTurnWrites, Math.ceil(turnBytes / chunk.length));
  const fill = () => {
    while (left > 0 && !socket.destroyed) {
      // 'drain' comes before the next turn of the loop: a peer that keeps up would never let go of it.
      if (writes >= turnWrites) {
        writes = 0;
        setImmediate(fill);
        return;
      }
      ++writes;
      --left;
      if (!socket.write(chunk)) {
        return;
      }
    }
  };
  socket.on('drain', fill);
  fill();
}

function stream(size) {
  const chunk = pattern(size);
  return (socket) => {
    // Without a reader the end of the peer would not be seen.
    socket.resume();
    offer(socket, chunk, Infinity);
  };
}

// The first byte of a client says what it wants to be.
function slow() {
  const chunk = pattern(slowChunkBytes);
  return (socket) => socket.once('data', (data) => {
    if (data[0] === 'S'.charCodeAt(0)) {
      offer(socket, chunk, slowChunks);
      return;
    }
    if (data.length > 1) {
      socket.write(data.subarray(1));
    }
    echo(socket);
  });
}

function fanOut(size) {
  const message = pattern(size);
  const members = new Set();
  return (socket) => {
    members.add(socket);
    socket.on('close', () => members.delete(socket));
    socket.on('data', (data) => {
      for (let left = data.length; left > 0; --left) {
        for (const member of members) {
          member.write(message);
        }
      }
    });
  };
}

function deep(socket) {
  const rest = pattern(deepBytes);
  socket.on('data', (data) => {
    if (data.length !== 8) {
      socket.write(data);
      return;
    }
    const count = data.readBigUInt64LE();
    for (let index = 0n; index < count; ++index) {
      const message = Buffer.from(rest);
      message.writeBigUInt64LE(index);
      socket.write(message);
    }
  });
}

function sendFile(path) {
  return (socket) => {
    let waiting = 0;
    const next = () => {
      const file = fs.createReadStream(path);
      socket.once('close', () => file.destroy());
      file.on('close', () => {
        if (--waiting > 0) {
          next();
        }
      });
      file.pipe(socket, {end: false});
    };
    onRequests(socket, () => {
      if (++waiting === 1) {
        next();
      }
    });
  };
}

function relay(port) {
  return (client) => {
    const target = net.connect({host: '127.0.0.1', port, noDelay: true, allowHalfOpen: true});
    target.on('error', () => client.destroy());
    client.on('error', () => target.destroy());
    client.pipe(target);
    target.pipe(client);
  };
}

function sizeOf(options, otherwise) {
  const size = Number(options.size ?? otherwise);
  if (!Number.isInteger(size) || size <= 0) {
    throw new Error('--size must be positive');
  }
  return size;
}

// What is done with each connection.
function findWorkload(name, options) {
  switch (name) {
    case 'echo':
    case 'tls_echo':
      return echo;
    case 'replies':
      return (socket) => onRequests(socket, () => socket.write(reply));
    case 'pieces':
      return answerInPieces(Number(options.pieces ?? 2));
    case 'stream':
    case 'tls_stream':
      return stream(sizeOf(options, 64 * 1024));
    case 'slow':
      return slow();
    case 'fanout':
      return fanOut(sizeOf(options, 16 * 1024));
    case 'deep':
      return deep;
    case 'sendfile':
      return sendFile(options.file);
    case 'relay':
      return relay(Number(options.to));
    default:
      throw new UnknownWorkload(name);
  }
}

function withErrors(handle) {
  return (socket) => {
    // A peer that is gone ends its connection and nothing else.
    socket.on('error', () => socket.destroy());
    handle(socket);
  };
}

function announce(port) {
  process.stdout.write(`listening ${port}\n`);
}

function listen(name, options, handle) {
  if (options.transport === 'pipe') {
    announce(0);
    for (let number = 0; number < Number(options.pipes ?? 1); ++number) {
      // Waits for the reader of the FIFO.
      const fd = fs.openSync(`${options.path}.${number}`, 'w');
      handle(new net.Socket({fd, readable: false, writable: true}));
    }
    return;
  }
  let server;
  if (name.startsWith('tls_')) {
    const secret = {
      cert: fs.readFileSync(options.cert),
      key: fs.readFileSync(options.key),
      minVersion: 'TLSv1.3',
      noDelay: true,
    };
    server = tls.createServer(secret, handle);
    server.on('tlsClientError', () => {});
  } else {
    server = net.createServer({noDelay: true, allowHalfOpen: name === 'relay'}, handle);
  }
  if (options.transport === 'unix') {
    server.listen({path: options.path, backlog}, () => announce(0));
  } else if (options.transport === 'tcp') {
    server.listen({host: '127.0.0.1', port: 0, backlog}, () => announce(server.address().port));
  } else {
    throw new UnknownWorkload(`${name} --transport ${options.transport}`);
  }
}

function main() {
  const text = {type: 'string'};
  const {values: options, positionals} = parseArgs({
    allowPositionals: true,
    options: {
      transport: {type: 'string', default: 'tcp'},
      path: text,
      size: text,
      pieces: text,
      pipes: text,
      to: text,
      owned: {type: 'boolean'},
      cert: text,
      key: text,
      file: text,
    },
  });
  const [name] = positionals;
  if (positionals.length !== 1) {
    throw new Error('usage: server.js WORKLOAD [--option value ...]');
  }
  listen(name, options, withErrors(findWorkload(name, options)));
  process.stdin.resume();
  process.stdin.on('end', () => {
    if (options.transport === 'unix') {
      fs.unlinkSync(options.path);
    }
    process.exit(0);
  });
}

function die(error) {
  const unknown = error instanceof UnknownWorkload;
  console.error(unknown ? `unknown workload ${error.message}` : `server.js: ${error.message}`);
  process.exit(unknown ? 2 : 1);
}

process.on('uncaughtException', die);
main();
