#include "contract/suites.hpp"

namespace sluice::testing {

std::vector<TransportKind> transports_under_contract() {
  return sluice_transports();
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
  return v.kind.traits.half_close && v.kind.traits.reads;
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
INSTANTIATE(OpenContract, open);
INSTANTIATE(CloggedContract, clogged);
INSTANTIATE(ImmediateContract, open, immediate);
INSTANTIATE(CoalesceContract, open, coalesce);
INSTANTIATE(AnyImmediateContract, immediate);
INSTANTIATE(AnyCoalesceContract, coalesce);
INSTANTIATE(StreamContract, stream);
INSTANTIATE(OpenStreamContract, stream, open);
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
