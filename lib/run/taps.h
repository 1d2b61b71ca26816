// Taps as custom operators. Private to this room (ort_runner.cpp): a tapped graph gets nodes
// `qconvert.Observe` (tensor -> one float, so that nothing is copied) and `qconvert.Transform` (tensor ->
// tensor, in place where ONNX Runtime allows), whose attribute `tap` says which function of the session is
// called, `channels` and `block` how its value lies (Blocks).
#pragma once

#include <onnxruntime_cxx_api.h>

#include <vector>

#include "run/blocked_layout.h"
#include "run/runner.h"

namespace qc::run {

inline constexpr const char* kTapDomain = "qconvert";

/// The slot of the run() that is going on on this thread; taps hand it to their functions.
int64_t& current_slot();

/// An exception that a tap threw during the run on this thread (exceptions must not cross the C API).
std::exception_ptr& current_failure();

/// Custom ops live as long as the sessions that use them: one set a session.
class TapOps {
 public:
  explicit TapOps(std::vector<Tap> taps);
  ~TapOps();
  TapOps(const TapOps&) = delete;
  TapOps& operator=(const TapOps&) = delete;
  void add_to(Ort::SessionOptions& options);

 private:
  struct Ops;
  std::unique_ptr<Ops> ops_;
};

/// A copy of the graph with the tap nodes in place. Observe results become extra graph outputs, behind the
/// others. Taps of no value (kNone) get none. `blocks`: how the value of each observer lies; empty: all in
/// order.
ir::Graph insert_taps(const ir::Graph& graph, const std::vector<Tap>& taps,
                      const std::vector<Blocks>& blocks = {});

/// A tapped graph that has observers alone, without them, and what they look at: taps of other values than
/// before where optimizations have replaced those. A tap whose Observe node is gone keeps no value (kNone).
std::vector<Tap> take_observers_out(ir::Graph& graph, std::vector<Tap> taps);

}  // namespace qc::run
