#!/usr/bin/env python3
"""Checks that includes follow the architecture: the qc_room() calls of CMakeLists.txt say who knows whom.

    scripts/check_includes.py [ROOT]        exit 1 and "file:line: what is wrong" for every include that breaks a rule

A linker does not mind a header of a room that is not known, and one library on the include path serves all; so this is
read from the sources. Rules:
  - a room includes itself and the rooms that it KNOWS, directly or through them; rooms know only rooms declared above
    them (no circles); rooms that are a STAGE never know each other; apps and corridors (lib/ itself and QCONVERT_CORRIDORS) include every room
  - a third-party header is seen only by rooms that name its library as PRIVATE, be it through headers of other rooms,
    or where EXCEPTIONS says so
  - headers of the house are written "room/file.h"
"""
import re
import sys
from pathlib import Path

# Header prefix -> the name by which CMakeLists.txt links its library.
LIBRARIES = {
    "onnx/": "onnx_proto_api", "google/protobuf/": "onnx_proto_api", "onnxruntime": "onnxruntime",
    "nlohmann/": "nlohmann_json::nlohmann_json", "spdlog/": "spdlog::spdlog", "Eigen/": "Eigen3::Eigen",
    "jpeglib.h": "JPEG::JPEG", "jerror.h": "JPEG::JPEG", "png.h": "PNG::PNG", "webp/": "${WEBP_LIBRARY}", "zlib.h": "ZLIB::ZLIB",
    "flatbuffers/": "flatbuffers", "tflite/schema_generated.h": "flatbuffers", "CLI/": "CLI11::CLI11", "fmt/": "fmt",
}
CORRIDORS = set()  # as CMakeLists.txt lists them
# Libraries with places of their own, whatever the rooms say.
EXCEPTIONS = {
    "spdlog::spdlog": ["lib/base/log.cpp"],
    "fmt": ["lib/base/text.h"],
    "CLI11::CLI11": ["apps/"],
}
SYSTEM = re.compile(r"^([a-z_0-9]+|sys/\w+\.h|linux/\w+\.h|(fcntl|unistd|signal|pthread|sched|immintrin|arm_neon|cpuid|dirent|malloc|poll|termios)\.h)$")
INCLUDE = re.compile(r'^\s*#\s*include\s*(?:"([^"]+)"|<([^>]+)>)')


def read_rooms(cmake_text):
    """{room: (known rooms, private libraries, is it a stage)} in the order of declaration."""
    rooms = {}
    for call in re.finditer(r"^qc_room\(([^)]*)\)", cmake_text, re.MULTILINE):
        name, *words = call[1].split()
        stage = words[:1] == ["STAGE"]
        part, lists = None, {"KNOWS": [], "PRIVATE": []}
        for word in words[stage:]:
            if word in lists:
                part = word
            else:
                lists[part].append(word)
        rooms[name] = (lists["KNOWS"], set(lists["PRIVATE"]), stage)
    return rooms


def read_corridors(cmake_text):
    """The folders of lib/ that are no rooms: helpers of what joins rooms."""
    found = re.search(r"^set\(QCONVERT_CORRIDORS ([^)]*)\)", cmake_text, re.MULTILINE)
    return set(found[1].split()) if found else set()


def reachable(rooms, name):
    seen, todo = set(), [name]
    while todo:
        room = todo.pop()
        if room not in seen:
            seen.add(room)
            todo.extend(rooms[room][0] if room in rooms else [])
    return seen


def check_rooms(rooms):
    declared = set()
    stages = {name for name, (_, _, stage) in rooms.items() if stage}
    for name, (knows, _, stage) in rooms.items():
        for known in knows:
            if known not in declared:
                yield f"CMakeLists.txt: room '{name}' knows '{known}', which is not declared above it"
        for known in sorted((reachable(rooms, name) - {name}) & stages if stage else ()):
            yield f"CMakeLists.txt: stage room '{name}' knows stage room '{known}'"
        declared.add(name)


def room_of(path):
    """None: the corridors and the apps, which see every room."""
    inside = path.parts[0] == "lib" and len(path.parts) > 2 and path.parts[1] not in CORRIDORS
    return path.parts[1] if inside else None


def read_includes(root, files):
    """[(file, line number, header of the house or None, third-party header or None)]"""
    return [(path, number, *found.groups()) for path in files
            for number, line in enumerate((root / path).read_text().splitlines(), 1) if (found := INCLUDE.match(line))]


def seen_by(includes):
    """{header of the house: the rooms whose files get to see it}"""
    within = {}
    for path, _, own, _ in includes:
        if own:
            within.setdefault(str(path), []).append("lib/" + own)
    seen = {}
    for path in {path for path, *_ in includes}:
        todo = [str(path)]
        while todo:
            header = todo.pop()
            if room_of(path) not in seen.setdefault(header, set()):
                seen[header].add(room_of(path))
                todo.extend(within.get(header, []))
    return seen


def check_third_party(path, header, rooms, seen):
    library = next((lib for prefix, lib in LIBRARIES.items() if header.startswith(prefix)), None)
    if library is None:
        return None if SYSTEM.match(header) else f"<{header}> is no library that this check knows: add it to LIBRARIES"
    if library in EXCEPTIONS:
        allowed = any(str(path).startswith(place) for place in EXCEPTIONS[library])
        return None if allowed else f"<{header}> belongs to {', '.join(EXCEPTIONS[library])} alone"
    strangers = [room or "a corridor" for room in seen[str(path)] if room not in rooms or library not in rooms[room][1]]
    return f"<{header}> is seen by {', '.join(sorted(strangers))}, not linked with {library}" if strangers else None


def check_own(path, header, rooms, root):
    if path.parts[0] == "apps" and (root / path.parent / header).is_file():
        return None  # an app's own headers stand beside it
    target, room = Path(header).parts[0], room_of(path)
    if not (root / "lib" / header).is_file():
        return f'"{header}": there is no such file; write "room/file.h"'
    if "/" not in header or target in CORRIDORS:
        return f'"{header}" belongs to a corridor, which rooms do not see' if room else None
    known = reachable(rooms, room) if room else set(rooms)
    return None if target in known else f'"{header}": room \'{room}\' does not know room \'{target}\''


def check_files(root, files, rooms):
    for room in sorted({room_of(path) for path in files} - set(rooms) - {None}):
        yield f"lib/{room}: this folder has no qc_room() in CMakeLists.txt"
    includes = read_includes(root, files)
    seen = seen_by(includes)
    for path, number, own, third_party in includes:
        wrong = check_own(path, own, rooms, root) if own else check_third_party(path, third_party, rooms, seen)
        if wrong:
            yield f"{path}:{number}: {wrong}"


def main():
    root = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).resolve().parent.parent)
    cmake_text = (root / "CMakeLists.txt").read_text()
    rooms = read_rooms(cmake_text)
    CORRIDORS.update(read_corridors(cmake_text))
    if not rooms:
        sys.exit("CMakeLists.txt: no qc_room() calls found")
    files = sorted(path.relative_to(root) for top in ("lib", "apps") for path in (root / top).rglob("*")
                   if path.suffix in (".h", ".cpp"))
    problems = [*check_rooms(rooms), *check_files(root, files, rooms)]
    print("\n".join(problems) if problems else f"includes: {len(files)} files in {len(rooms)} rooms follow the map")
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
