"""Ways out of a jail, one line or function each. The same program runs on the machine, where a probe must get through, and
inside, where it must not.

    probes.py stand DIR     makes what is to be reached, prints where it is as JSON, and stays until its input ends
    probes.py run JSON      tries every probe, each in a process of its own, and prints {"name", "through", "why"} by the line
"""
import ctypes, errno, fcntl, json, mmap, os, pty, signal, socket, struct, subprocess, sys, time

LIBC = ctypes.CDLL(None, use_errno=True)
SECRET = "the secret of the host"
PROBES = {}


def probe(function):
    PROBES[function.__name__] = function
    return function


def call(number, *arguments):
    """A system call that gets past every permission: its result, or an error that only who may do it gets."""
    converted = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    result = LIBC.syscall(ctypes.c_long(number), *converted)
    code = ctypes.get_errno()
    if result < 0 and code in (errno.EPERM, errno.EACCES, errno.ENOSYS):
        raise OSError(code, os.strerror(code))
    return result


def calls(name, number, *arguments):
    PROBES[name] = lambda at: call(number, *arguments)


def reads(name, path):
    def run(at):
        with open(path(at), "rb") as file:
            assert SECRET.encode() in file.read(4096), "nothing secret in it"
    PROBES[name] = run


def opens_socket(name, family, kind, protocol=0):
    PROBES[name] = lambda at: socket.socket(family, kind, protocol)


def connects(name, family, kind, address):
    def run(at):
        with socket.socket(family, kind) as s:
            s.settimeout(5)
            s.connect(address(at))
            if kind == socket.SOCK_DGRAM:
                s.send(b"x")
    PROBES[name] = run


# The network, by every family.
connects("tcp4_to_the_hosts_loopback", socket.AF_INET, socket.SOCK_STREAM, lambda at: ("127.0.0.1", at["tcp4"]))
connects("tcp6_to_the_hosts_loopback", socket.AF_INET6, socket.SOCK_STREAM, lambda at: ("::1", at["tcp6"]))
connects("tcp_to_cloud_metadata", socket.AF_INET, socket.SOCK_STREAM, lambda at: ("169.254.169.254", 80))
connects("tcp_to_a_private_address", socket.AF_INET, socket.SOCK_STREAM, lambda at: ("10.0.0.1", 80))
connects("tcp_to_a_public_address", socket.AF_INET, socket.SOCK_STREAM, lambda at: ("93.184.216.34", 443))
connects("udp_to_a_public_address", socket.AF_INET, socket.SOCK_DGRAM, lambda at: ("93.184.216.34", 53))
connects("socket_by_path", socket.AF_UNIX, socket.SOCK_STREAM, lambda at: at["dir"] + "/host/docker.sock")
connects("datagrams_by_path", socket.AF_UNIX, socket.SOCK_DGRAM, lambda at: at["dir"] + "/host/log.sock")
connects("abstract_socket", socket.AF_UNIX, socket.SOCK_STREAM, lambda at: "\0" + at["abstract"])
opens_socket("raw_ip", socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
opens_socket("packet_socket", socket.AF_PACKET, socket.SOCK_RAW, 3)
opens_socket("netlink_route", socket.AF_NETLINK, socket.SOCK_RAW, 0)
opens_socket("netlink_audit", socket.AF_NETLINK, socket.SOCK_RAW, 9)
opens_socket("netlink_uevent", socket.AF_NETLINK, socket.SOCK_RAW, 15)
opens_socket("vsock", 40, socket.SOCK_STREAM)
opens_socket("alg", 38, socket.SOCK_SEQPACKET)
opens_socket("bluetooth", 31, socket.SOCK_RAW, 1)
opens_socket("can", 29, socket.SOCK_RAW, 1)
opens_socket("xdp", 44, socket.SOCK_RAW)
opens_socket("key_management", 15, socket.SOCK_RAW, 2)


@probe
def udp_is_answered(at):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(3)
        s.sendto(b"ping", ("127.0.0.1", at["udp"]))
        assert s.recv(16) == b"pong"


# Files.
reads("file_of_the_host", lambda at: at["dir"] + "/host/secret")
reads("file_above_the_workspace", lambda at: "../host/secret")
reads("file_by_the_working_directory", lambda at: "/proc/self/cwd/../host/secret")
reads("file_by_the_root_of_process_1", lambda at: "/proc/1/root" + at["dir"] + "/host/secret")
reads("file_by_the_root_of_a_process", lambda at: "/proc/%d/root%s/host/secret" % (at["victim"], at["dir"]))
reads("file_by_the_parents_root", lambda at: "/proc/%d/root%s/host/secret" % (os.getppid(), at["dir"]))
reads("file_by_a_descriptor_of_a_process", lambda at: "/proc/%d/fd/7" % at["victim"])
reads("environment_of_a_process", lambda at: "/proc/%d/environ" % at["victim"])
reads("file_by_an_inherited_directory", lambda at: "/proc/self/fd/9/secret")
reads("home", lambda at: at["dir"] + "/home/.ssh/id")
reads("gates_keys", lambda at: at["dir"] + "/gate/state/keys/operator-local.pem")
reads("temporary_files", lambda at: at["tmp"])
reads("shared_memory_files", lambda at: at["shm"])
reads("hidden_file_of_the_workspace", lambda at: ".env")
reads("inherited_file", lambda at: "/dev/fd/8")


@probe
def link_in_the_workspace(at):
    os.symlink(at["dir"] + "/host/secret", "link%d" % os.getpid())
    with open("link%d" % os.getpid()) as file:
        assert SECRET in file.read()


@probe
def write_through_a_link(at):
    os.symlink(at["dir"] + "/host", "dir%d" % os.getpid())
    open("dir%d/new" % os.getpid(), "w").close()


@probe
def hard_link_of_a_file_outside(at):
    os.link(at["dir"] + "/host/secret", "hard%d" % os.getpid())


@probe
def rename_out_of_the_workspace(at):
    open("moved", "w").close()
    os.rename("moved", at["dir"] + "/host/moved")


@probe
def write_a_file_of_the_host(at):
    open(at["dir"] + "/host/written", "w").close()


@probe
def remove_a_file_of_the_host(at):
    os.unlink(at["dir"] + "/host/removable")


@probe
def write_to_the_system(at):
    path = "/usr/lib/.latchgate-probe"
    open(path, "w").close()
    os.unlink(path)


@probe
def hook_that_git_runs_outside(at):
    open(".git/hooks/pre-commit", "a").close()


@probe
def hooks_moved_away(at):
    os.rename(".git/hooks", ".git/moved")
    os.rename(".git/moved", ".git/hooks")


@probe
def repository_moved_away(at):
    os.rename(".git", ".moved")
    os.rename(".moved", ".git")


@probe
def settings_that_git_obeys_outside(at):
    open(".git/config", "a").close()


@probe
def hidden_file_replaced(at):
    open(".env.new", "w").write(SECRET)
    os.rename(".env.new", ".env")


@probe
def setuid_file(at):
    path = "suid%d" % os.getpid()
    open(path, "w").close()
    os.chmod(path, 0o4755)


@probe
def setuid_file_from_the_start(at):
    os.close(os.open("born%d" % os.getpid(), os.O_CREAT | os.O_WRONLY, 0o4755))
    assert os.stat("born%d" % os.getpid()).st_mode & 0o4000, "it is none"


@probe
def file_of_another_user(at):
    path = "owned%d" % os.getpid()
    open(path, "w").close()
    os.chown(path, 12345, 12345)


@probe
def device_made(at):
    os.mknod("device%d" % os.getpid(), 0o600 | 0o060000, os.makedev(7, 0))


@probe
def kernel_log(at):
    os.close(os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK))


@probe
def disks(at):
    assert [name for name in os.listdir("/dev") if name.startswith(("vd", "sd", "nvme", "loop", "dm-", "mem"))]


@probe
def sysfs(at):
    assert os.listdir("/sys/kernel")


@probe
def cgroups(at):
    assert os.listdir("/sys/fs/cgroup")


@probe
def settings_of_the_kernel(at):
    with open("/proc/sys/kernel/domainname", "r+") as file:
        text = file.read()
        file.seek(0)
        file.write(text)


@probe
def own_process_file_written(at):
    open("/proc/self/comm", "w").write("x")


@probe
def list_of_keys(at):
    assert open("/proc/keys").read()


@probe
def list_of_all_symbols(at):
    assert open("/proc/kallsyms").read(64)


# Other processes.
@probe
def host_process_is_seen(at):
    assert b"latchgate-victim" in open("/proc/%d/cmdline" % at["victim"], "rb").read()


@probe
def signal_to_a_process_of_the_host(at):
    assert b"latchgate-victim" in open("/proc/%d/cmdline" % at["victim"], "rb").read()
    os.kill(at["victim"], 0)


@probe
def memory_of_a_process(at):
    os.close(os.open("/proc/%d/mem" % at["victim"], os.O_RDONLY))


@probe
def memory_of_the_parent(at):
    os.close(os.open("/proc/%d/mem" % os.getppid(), os.O_RDWR))


@probe
def shared_memory_segment(at):
    identifier = LIBC.shmget(at["shmkey"], 0, 0)
    assert identifier >= 0, "there is none"


@probe
def environment_of_the_caller(at):
    assert os.environ.get("LATCHGATE_PROBE_SECRET") == SECRET


@probe
def name_of_the_machine(at):
    assert socket.gethostname() == at["hostname"]


calls("ptrace_traceme", 101, 0, 0, 0, 0)


@probe
def ptrace_a_child(at):
    child = os.fork()
    if child == 0:
        time.sleep(5)
        os._exit(0)
    try:
        call(101, 16, child, 0, 0)
    finally:
        os.kill(child, signal.SIGKILL)


calls("memory_read_of_a_process", 310, os.getpid(), 0, 0, 0, 0, 0)
calls("memory_written_of_a_process", 311, os.getpid(), 0, 0, 0, 0, 0)
calls("kcmp", 312, os.getpid(), os.getpid(), 1, 0, 0)


@probe
def descriptor_of_a_process(at):
    call(438, os.pidfd_open(os.getpid()), 0, 0)


# Namespaces and mounts.
@probe
def mount_in_memory(at):
    os.makedirs("mnt%d" % os.getpid())
    call(272, 0x00020000)
    call(165, b"none", b"mnt%d" % os.getpid(), b"tmpfs", 0, None)


for _name, _flag in (("user", 0x10000000), ("mount", 0x20000), ("net", 0x40000000), ("pid", 0x20000000), ("ipc", 0x8000000),
                     ("uts", 0x4000000), ("cgroup", 0x2000000), ("time", 0x80)):
    calls("unshare_%s" % _name, 272, _flag)


@probe
def clone_into_namespaces(at):
    child = call(56, 0x10000000 | signal.SIGCHLD, 0, 0, 0, 0)
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)


@probe
def clone3_into_namespaces(at):
    arguments = struct.pack("11Q", 0x10000000, 0, 0, 0, signal.SIGCHLD, 0, 0, 0, 0, 0, 0)
    child = call(435, arguments, len(arguments))
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)


@probe
def setns(at):
    call(308, os.open("/proc/self/ns/uts", os.O_RDONLY), 0)


calls("chroot", 161, b"/")
calls("pivot_root", 155, b"/nonexistent", b"/nonexistent")
calls("umount", 166, b"/nonexistent", 0)
calls("open_tree", 428, -100, b"/", 1)
calls("fsopen", 430, b"tmpfs", 0)
calls("move_mount", 429, -1, b"", -1, b"", 0)
calls("mount_setattr", 442, -100, b"/nonexistent", 0, None, 0)
calls("handle_opened", 304, -100, struct.pack("Ii8s", 8, 1, b"x" * 8), 0)
calls("handle_named", 303, -100, b"/", None, None, 0)

# The kernel's larger machinery.
calls("bpf", 321, 0, bytes(64), 64)
calls("perf_events", 298, struct.pack("II", 1, 128) + bytes(120), 0, -1, -1, 0)
calls("io_uring", 425, 4, ctypes.create_string_buffer(256))
calls("userfaultfd", 323, 0)
calls("userfaultfd_for_users", 323, 1)
calls("keyring", 250, 0, -3, 0, 0, 0)
calls("key_added", 248, b"user", b"latchgate-probe", b"x", 1, -2)
calls("key_requested", 249, b"user", b"latchgate-none", None, 0)
calls("module", 175, None, 0, b"")
calls("module_by_file", 313, -1, b"", 0)
calls("kexec", 246, 0, 99, None, 0)
calls("kernel_log_by_call", 103, 10, None, 0)
calls("hostname_set", 170, socket.gethostname().encode(), len(socket.gethostname()))
calls("clock_set", 227, 0, struct.pack("qq", 0, -1))
calls("ports_of_the_machine", 172, 0)
calls("segment_table", 154, 0, None, 0)
calls("personality", 135, 0x0400000)
calls("fanotify", 300, 0, 0)
calls("quota", 179, 0x80000700, b"/nonexistent", 0, None)
calls("swap", 167, b"/nonexistent", 0)
calls("accounting", 163, b"/nonexistent")


@probe
def calls_of_another_architecture(at):
    # mov eax, 20 (getpid); int 0x80; ret
    code = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    code.write(b"\xb8\x14\x00\x00\x00\xcd\x80\xc3")
    function = ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(code)))
    assert function() > 0


calls("calls_of_x32", 0x40000000 + 39)


# The terminal, and privileges.
def on_a_terminal(request, argument):
    master, slave = pty.openpty()
    os.setsid()
    fcntl.ioctl(slave, 0x540E, 0)
    fcntl.ioctl(slave, request, argument)


PROBES["typing_on_a_terminal"] = lambda at: on_a_terminal(0x5412, b"x")
PROBES["line_discipline"] = lambda at: on_a_terminal(0x5423, struct.pack("i", 0))


@probe
def privileges_can_be_gained(at):
    assert "NoNewPrivs:\t0" in open("/proc/self/status").read()


@probe
def capabilities(at):
    status = open("/proc/self/status").read()
    assert int(status.split("CapEff:\t")[1].split()[0], 16), "there is none"


@probe
def capabilities_to_be_had(at):
    status = open("/proc/self/status").read()
    assert int(status.split("CapBnd:\t")[1].split()[0], 16), "there is none"


def attempt(name, at):
    """In a process of its own, which may be killed for it."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        signal.alarm(20)
        try:
            PROBES[name](at)
            os.write(writer, b"+")
        except BaseException as error:
            os.write(writer, ("-" + (str(error) or type(error).__name__))[:200].encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        said = pipe.read().decode(errors="replace")
    _, status = os.waitpid(child, 0)
    why = said[1:] if said else "killed by signal %d" % (status & 0x7F)
    print(json.dumps({"name": name, "through": said.startswith("+"), "why": why}), flush=True)


def stand(directory):
    """What is to be reached. Everything lies below `directory`, or is named after it."""
    mark = os.path.basename(directory)
    host, work = directory + "/host", directory + "/work"
    for path in (host, work + "/.git/hooks", directory + "/home/.ssh", directory + "/gate/state/keys"):
        os.makedirs(path)
    at = {"dir": directory, "abstract": "latchgate-" + mark, "tmp": "/tmp/latchgate-probe-" + mark,
          "shm": "/dev/shm/latchgate-probe-" + mark, "shmkey": os.getpid() | 0x4C470000, "hostname": socket.gethostname()}
    for path in (host + "/secret", work + "/.env", directory + "/home/.ssh/id",
                 directory + "/gate/state/keys/operator-local.pem", at["tmp"], at["shm"]):
        with open(path, "w") as file:
            file.write(SECRET)
    for path in (host + "/removable", work + "/.git/config"):
        open(path, "w").close()

    def listening(family, address, kind=socket.SOCK_STREAM):
        s = socket.socket(family, kind)
        s.bind(address)
        if kind == socket.SOCK_STREAM:
            s.listen(64)
        return s

    tcp4, udp = listening(socket.AF_INET, ("127.0.0.1", 0)), listening(socket.AF_INET, ("127.0.0.1", 0), socket.SOCK_DGRAM)
    kept = [tcp4, udp, listening(socket.AF_UNIX, host + "/docker.sock"), listening(socket.AF_UNIX, "\0" + at["abstract"]),
            listening(socket.AF_UNIX, host + "/log.sock", socket.SOCK_DGRAM)]
    at["tcp4"], at["udp"], at["tcp6"] = tcp4.getsockname()[1], udp.getsockname()[1], 1
    try:
        kept.append(listening(socket.AF_INET6, ("::1", 0)))
        at["tcp6"] = kept[-1].getsockname()[1]
    except OSError:
        pass
    if os.fork() == 0:
        while True:
            _, peer = udp.recvfrom(16)
            udp.sendto(b"pong", peer)
    segment = LIBC.shmget(at["shmkey"], 4096, 0o1600)
    opened = os.open(host + "/secret", os.O_RDONLY)
    os.dup2(opened, 7)
    victim = subprocess.Popen(["sleep", "600", "--", ] if False else [sys.executable, "-c", "import time; time.sleep(600)",
                              "latchgate-victim"], env={"SECRET": SECRET}, pass_fds=[7])
    at["victim"] = victim.pid
    print(json.dumps(at), flush=True)
    sys.stdin.read()
    victim.kill()
    LIBC.shmctl(segment, 0, None)
    for path in (at["tmp"], at["shm"]):
        os.unlink(path)
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    if sys.argv[1] == "stand":
        os.setpgid(0, 0)
        stand(sys.argv[2])
    else:
        where = json.loads(sys.argv[2])
        for each in PROBES:
            attempt(each, where)
