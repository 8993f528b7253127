#include "runtime/base/request.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <algorithm>
#include <vector>

#include "runtime/base/error.h"
#include "runtime/base/fields.h"

namespace pagejit {
namespace {
constexpr std::string_view key_heading = "pagejit-key 1\n";
}

std::uint64_t hash64(std::string_view text) {
  return XXH3_128bits(text.data(), text.size()).low64;
}

std::string hash128_hex(std::string_view text) {
  XXH128_hash_t hash = XXH3_128bits(text.data(), text.size());
  return fmt::format("{:016x}{:016x}", hash.high64, hash.low64);
}

Request make_request(std::string spec_line, std::string target, std::string_view abi_text, std::string_view generator) {
  SpecWords words = parse_words(spec_line);
  std::vector<std::string> lines{fmt::format("abi={}", hash128_hex(abi_text)), fmt::format("family={}", words.family),
                                 fmt::format("generator={}", generator), fmt::format("target={}", target)};
  for (const auto& [name, value] : words.values)
    lines.push_back(fmt::format("spec.{}={}", name, percent_escape(value)));
  std::sort(lines.begin(), lines.end());

  Request request;
  request.spec_line = print_words(std::move(words));  // whatever the order in which it came
  request.target = std::move(target);
  request.key_text = fmt::format("{}{}\n", key_heading, fmt::join(lines, "\n"));
  request.spec_id = hash64(request.spec_line);
  request.key_id = hash64(request.key_text);
  return request;
}

std::string key_value(std::string_view key_text, std::string_view name) {
  for (std::string_view line : split(key_text, '\n'))
    if (line.size() > name.size() && line.starts_with(name) && line[name.size()] == '=')
      return std::string(line.substr(name.size() + 1));
  return {};
}

Request request_of_key(std::string key_text) {
  if (!key_text.starts_with(key_heading)) fail(Code::damaged, "a key text does not begin with 'pagejit-key 1'");
  constexpr std::string_view spec = "spec.";
  Request request;
  SpecWords words{key_value(key_text, "family"), {}};
  try {
    for (std::string_view line : split(key_text, '\n'))
      if (line.starts_with(spec)) {
        auto [name, value] = split_name_value(line.substr(spec.size()));
        words.values.emplace_back(std::move(name), percent_unescape(value));
      }
  } catch (const Error& e) {
    fail(Code::damaged, fmt::format("a key text cannot be read: {}", e.message()));
  }
  request.spec_line = print_words(std::move(words));
  request.target = key_value(key_text, "target");
  request.key_text = std::move(key_text);
  request.spec_id = hash64(request.spec_line);
  request.key_id = hash64(request.key_text);
  return request;
}

}  // namespace pagejit
