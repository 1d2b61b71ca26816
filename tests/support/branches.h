// If nodes in tests, which need bodies in bytes.
#pragma once

#include <functional>
#include <string>

#include "ir/graph.h"
#include "support/tiny_models.h"

namespace qc::tiny {

using Branch = std::function<void(ir::Graph&)>;

/// A body as an attribute of this name; what it reads from outside are the inputs that `build` declares.
ir::Attribute body(const std::string& name, const Branch& build);
/// One node of this op on the outer value `read`, float [1,4]; its result is named `result`.
Branch unary(const std::string& op, const std::string& read, const std::string& result);

ir::ValueId truth(ir::Graph& g, bool value);
/// An If with one float result. What its branches read is linked by through_file() alone.
ir::ValueId if_node(ir::Graph& g, ir::ValueId condition, const Branch& then_branch, const Branch& else_branch,
                    Dims dims = {1, 4});

/// The graph as it is read from its file.
ir::Graph through_file(const ir::Graph& g);

}  // namespace qc::tiny
