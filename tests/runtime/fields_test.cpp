#include "runtime/base/fields.h"

#include <doctest/doctest.h>

#include "runtime/base/elem.h"
#include "runtime/base/request.h"
#include "tests/runtime/support.h"
#include "tests/support/seed.h"

namespace pagejit {
namespace {
using testing::contains;
using testing::thrown;

struct Spec {
  Elem kv = Elem::bf16;
  int head_dim = 128;
  int align = 16;
  bool joint = false;
  std::int64_t window = -1;
  std::string note;

  static constexpr auto fields() {
    return std::tuple{field<&Spec::kv>("kv"),
                      field<&Spec::head_dim>("head_dim", AtLeast{1}),
                      field<&Spec::align>("align", OneOf{16, 8, 4, 2}),
                      field<&Spec::joint>("joint"),
                      field<&Spec::window>("window"),
                      field<&Spec::note>("note")};
  }
  bool operator==(const Spec&) const = default;
};

struct Params {
  DevicePtr out;
  std::int64_t stride;
  float scale;
  std::int32_t rows;
  std::uint32_t flags;

  static constexpr auto fields() {
    return std::tuple{field<&Params::out>("out"), field<&Params::stride>("stride"), field<&Params::scale>("scale"),
                      field<&Params::rows>("rows"), field<&Params::flags>("flags")};
  }
};

TEST_CASE("a spec line names the family, then every field in the order of the alphabet") {
  CHECK(spec_line("flatten", Spec{}) == "flatten align=16 head_dim=128 joint=0 kv=bf16 note= window=-1");
}

TEST_CASE("bytes that would end a word are escaped in a spec line, and come back") {
  Spec s;
  s.note = "a b=%\n\xff";
  CHECK(contains(spec_line("f", s), "note=a%20b%3d%25%0a%ff"));
  CHECK(parse_spec<Spec>(spec_line("f", s)) == s);
}

TEST_CASE("printing and parsing round-trip for random specs") {
  auto random = random_for("fields");
  auto below = [&](int n) { return static_cast<int>(random() % static_cast<unsigned>(n)); };
  constexpr int aligns[] = {16, 8, 4, 2};
  for (int i = 0; i < 1000; ++i) {
    Spec s{static_cast<Elem>(below(9)),
           1 + below(4096),
           aligns[below(4)],
           below(2) == 1,
           static_cast<std::int64_t>(random()),
           {}};
    for (int n = below(6); n > 0; --n) s.note += static_cast<char>(1 + below(255));
    REQUIRE(parse_spec<Spec>(spec_line("f", s)) == s);
  }
}

TEST_CASE("fields that a line leaves out keep their default, in any order") {
  Spec expected;
  expected.align = 8;
  expected.joint = true;
  CHECK(parse_spec<Spec>("f joint=1 align=8") == expected);
}

TEST_CASE("a wrong spec line is refused with the field, its value and what would do") {
  auto said = [](const char* line) { return std::string(thrown([&] { parse_spec<Spec>(line); }).what()); };
  CHECK(contains(said("f kv=bf17"), "PJ0001: kv is bf17; expected one of f32, f16, bf16"));
  CHECK(contains(said("f align=3"), "align is 3; expected one of 16, 8, 4, 2"));
  CHECK(contains(said("f head_dim=0"), "head_dim is 0; expected at least 1"));
  CHECK(contains(said("f head_dim=0128"), "head_dim is 0128; expected at least 1"));
  CHECK(contains(said("f head_dim=99999999999"), "head_dim is 99999999999"));
  CHECK(contains(said("f head_dim="), "head_dim is empty"));
  CHECK(contains(said("f joint=yes"), "joint is yes; expected 0 or 1"));
  CHECK(contains(said("f hed_dim=1"), "nearest  head_dim"));
  CHECK(contains(said("f align=8 align=4"), "align is given twice: 8 and 4"));
  CHECK(contains(said("f align"), "'align' is not of the form name=value"));
  CHECK(contains(said("f note=%4"), "without two hex digits"));
  CHECK(contains(said(""), "starts with the name of a kernel family"));
}

TEST_CASE("each field's change gives another key") {
  auto key = [](const Spec& s) { return make_request(spec_line("f", s), "sm_90a", "abi", "gen").key_id; };
  Spec base;
  for_each_field(base, [&](std::string_view name, const auto& member, const auto&) {
    CAPTURE(name);
    Spec other;
    for_each_field(other, [&](std::string_view same, auto& value, const auto&) {
      if constexpr (std::is_same_v<decltype(value), std::remove_const_t<std::remove_reference_t<decltype(member)>>&>) {
        using T = std::remove_reference_t<decltype(value)>;
        if (same != name) return;
        if constexpr (std::is_same_v<T, std::string>)
          value += 'x';
        else
          value = static_cast<T>(static_cast<long long>(value) ^ 1);
      }
    });
    CHECK(key(other) != key(base));
  });
  auto of = [](const char* target, const char* abi, const char* generator) {
    return make_request("f a=1", target, abi, generator).key_id;
  };
  CHECK(of("sm_90a", "x", "g") != of("sm_90", "x", "g"));
  CHECK(of("sm_90a", "x", "g") != of("sm_90a", "y", "g"));
  CHECK(of("sm_90a", "x", "g") != of("sm_90a", "x", "h"));
}

TEST_CASE("the abi text says each field's name, type and offset, and the size") {
  CHECK(abi_text<Params>() == "out ptr 0\nstride i64 8\nscale f32 16\nrows i32 20\nflags u32 24\nsize 32\n");
}

TEST_CASE("a member's place in the list follows from the member") {
  CHECK(param_index(&Params::out) == 0);
  CHECK(param_index(&Params::flags) == 4);
  CHECK(param_field<&Params::rows>().offset == 20);
  CHECK(param_fields<Params>()[2].type == ParamType::f32);
}

TEST_CASE("the nearest name is the one that was meant, and nothing where none is near") {
  CHECK(nearest("hed_dim", {"head_dim", "page"}) == "head_dim");
  CHECK(nearest("xyzzy", {"head_dim", "page"}).empty());
}
}  // namespace
}  // namespace pagejit
