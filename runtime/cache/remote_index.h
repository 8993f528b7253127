// Which producers' entries of one spec and key a store holds: the object <spec>-<key>.idx beside them. Nobody can list
// a store, and a process without a compiler knows no producer to ask for.
//
//   pagejit-index 1
//   <producer id, 16 hex digits> <producer text, percent-escaped>
//
// It is no more than a hint: what it leads to passes every check, so it needs no signature; an update that another
// writer overtook costs a fetch.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/request.h"
#include "runtime/cache/entry_layer.h"

namespace pagejit::cache {

std::string index_name(const Request& request);
/// Producer texts. Lines that are none are skipped; none where the bytes are no index at all.
std::vector<std::string> parse_index(std::string_view bytes);
std::string write_index(const std::vector<std::string>& producers);
/// Adds a producer, and forgets the oldest where there are too many. False: it was there.
bool add_to_index(std::vector<std::string>& producers, const std::string& producer);
/// The one whose entry serves best; empty where none will do.
std::string best_producer(const std::vector<std::string>& producers, const Wanted& wanted);

}  // namespace pagejit::cache
