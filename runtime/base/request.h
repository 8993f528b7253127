// A kernel as the runtime asks for it: text, and the ids made of the text.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

namespace pagejit {

/// Low 64 bits of XXH3-128.
std::uint64_t hash64(std::string_view text);
/// All of XXH3-128 as 32 hex digits.
std::string hash128_hex(std::string_view text);

struct Request {
  std::string spec_line;  // "flatten align=16 dim_k=128 …": family, then sorted fields
  std::string target;     // "sm_90a"
  std::string key_text;   // "pagejit-key 1", then sorted "name=value" lines: all that decides what the code does
  std::uint64_t spec_id = 0;
  std::uint64_t key_id = 0;
};

/// Builds the key text: spec line, target, abi text of the Params struct and generator hash, each as
/// spec.* (one line a field), target, abi, generator. Both ids follow from the texts.
Request make_request(std::string spec_line, std::string target, std::string_view abi_text, std::string_view generator);

/// The other way: the request whose key text this is. Throws Error(damaged) where it is none.
Request request_of_key(std::string key_text);

/// One value of a key text, such as "generator"; empty where it has none.
std::string key_value(std::string_view key_text, std::string_view name);

}  // namespace pagejit
