"""The processor in words, for the head of a table: `AMD EPYC, family 25, model 17, 2 threads, AVX-512`."""

import os


def processor():
    """What /proc/cpuinfo says of the first processor, and the widest vectors that it has."""
    facts = {}
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            for text in file.read().split("\n\n")[0].splitlines():
                name, _, value = text.partition(":")
                facts[name.strip()] = value.strip()
    except OSError:
        pass
    flags = set(facts.get("flags", facts.get("Features", "")).split())
    known = [("amx_tile", "AMX"), ("avx512f", "AVX-512"), ("avx2", "AVX2"), ("asimd", "NEON")]
    widest = next((name for flag, name in known if flag in flags), "no vectors that are known")
    name = facts.get("model name", "unknown processor")
    which = f"family {facts.get('cpu family', '?')}, model {facts.get('model', '?')}"
    return f"{name}, {which}, {os.cpu_count()} threads, {widest}"
