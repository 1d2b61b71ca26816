// As much of JSON Schema as the repository's own schemas use: type, const, enum, anyOf, $ref into $defs,
// required, properties, items, additionalProperties as a schema. Stricter in one point: where properties are
// listed, a key that is not among them is a mistake, because then the schema has been forgotten.
#pragma once

#include <nlohmann/json.hpp>

#include <string>
#include <vector>

namespace qc::test {

/// What is wrong with `document`, one line a mistake with its JSON pointer; empty when it is valid.
std::vector<std::string> schema_mistakes(const nlohmann::json& schema, const nlohmann::json& document);

/// Whether the schema requires the key at a path such as "/files/*/size".
bool schema_requires(const nlohmann::json& schema, const std::string& path);

}  // namespace qc::test
