"""The machine with a container engine in it, as files of a `vm_test` (py/sysimage/engine)."""

ENGINE_FILES = {
    "ENGINE_INITRD": Label("//toolchains/vm/engine:initrd"),
    "ENGINE_KERNEL": Label("//toolchains/vm/engine:kernel"),
    "ENGINE_PROGRAMS": Label("//toolchains/vm/engine:programs"),
}
