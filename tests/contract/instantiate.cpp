#include "contract/suites.hpp"
#if SLUICE_WITH_TLS
#include "testing/tls/tls_transports.hpp"
#endif

namespace sluice::testing {

std::vector<TransportKind> transports_under_contract() {
  std::vector<TransportKind> all = sluice_transports();
#if SLUICE_WITH_TLS
  for (TransportKind& kind : tls_transports()) {
    all.push_back(std::move(kind));
  }
#endif
  return all;
}

namespace {

using Which = bool (*)(const Variant&);

bool open(const Variant& v) {
  return v.start == Start::open;
}
bool clogged(const Variant& v) {
  return v.start == Start::clogged;
}
bool immediate(const Variant& v) {
  return v.policy == WritePolicy::immediate;
}
bool coalesce(const Variant& v) {
  return v.policy == WritePolicy::coalesce;
}
bool stream(const Variant& v) {
  return v.kind.traits.reads;
}
bool half_closing(const Variant& v) {
  return stream(v) && v.kind.traits.half_close;
}
bool plain(const Variant& v) {
  return !v.kind.traits.farewell;
}
bool pipe(const Variant& v) {
  return !v.kind.traits.half_close && !v.kind.traits.reads;
}
bool watched(const Variant& v) {
  return pipe(v) && v.kind.traits.watches_peer;
}
bool unwatched(const Variant& v) {
  return pipe(v) && !v.kind.traits.watches_peer;
}
bool breaking(const Variant& v) {
  return v.kind.traits.breaks_at_once;
}
bool on_loop(const Variant& v) {
  return !v.kind.traits.completes_later;
}
bool prompt(const Variant& v) {
  return plain(v) && on_loop(v);
}
bool scripted(const Variant& v) {
  return v.kind.traits.scripted;
}

template <Which... all>
auto where() {
  return ::testing::ValuesIn(
      variants([](const Variant& variant) { return (all(variant) && ...); }));
}

// NOLINTBEGIN(readability-identifier-naming): the macro makes the names.
#define INSTANTIATE(suite, ...) \
  INSTANTIATE_TEST_SUITE_P(All, suite, (where<__VA_ARGS__>()), variant_name)

INSTANTIATE_TEST_SUITE_P(All, Contract, where<>(), variant_name);
INSTANTIATE(OpenContract, on_loop, open);
INSTANTIATE(CloggedContract, on_loop, clogged);
INSTANTIATE(ImmediateContract, on_loop, open, immediate);
INSTANTIATE(CoalesceContract, on_loop, open, coalesce);
INSTANTIATE(AnyImmediateContract, on_loop, immediate);
INSTANTIATE(AnyCoalesceContract, coalesce);
INSTANTIATE(StreamContract, stream);
INSTANTIATE(OpenStreamContract, stream, open);
INSTANTIATE(HalfCloseContract, half_closing);
INSTANTIATE(OpenHalfCloseContract, half_closing, open);
INSTANTIATE(PlainContract, plain);
INSTANTIATE(PromptContract, prompt);
INSTANTIATE(PromptStreamContract, prompt, stream);
INSTANTIATE(PromptCoalesceContract, prompt, open, coalesce);
INSTANTIATE(PipeContract, pipe);
INSTANTIATE(OpenPipeContract, pipe, open);
INSTANTIATE(WatchedPipeContract, watched);
INSTANTIATE(OpenWatchedPipeContract, watched, open);
INSTANTIATE(UnwatchedPipeContract, unwatched, open);
INSTANTIATE(BreakingContract, breaking);
INSTANTIATE(ScriptedContract, scripted);
INSTANTIATE(ScriptedStreamContract, scripted, stream);
INSTANTIATE(ScriptedCallsContract, scripted, open, immediate);

#undef INSTANTIATE
// NOLINTEND(readability-identifier-naming)

}  // namespace
}  // namespace sluice::testing
