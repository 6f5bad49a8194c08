"""Names of Linux system calls by architecture, as of Linux 7.0: facts only, no numbers.

Made from the kernel's tables as `golang.org/x/sys/unix` 0.49 writes them out (`zsysnum_linux_*.go`), united with the
names that libseccomp 2.5.4 resolves. To renew: take the `SYS_` names of amd64, 386 and arm64, lower case, and sort each
into the group of the architectures that have it; names of other architectures go into the last group.
"""

_EVERYWHERE = """
    accept4 acct add_key adjtimex bind bpf brk cachestat capget capset chdir chroot
    clock_adjtime clock_getres clock_gettime clock_nanosleep clock_settime clone clone3 close
    close_range connect copy_file_range delete_module dup dup3 epoll_create1 epoll_ctl
    epoll_pwait epoll_pwait2 eventfd2 execve execveat exit exit_group faccessat faccessat2
    fadvise64 fallocate fanotify_init fanotify_mark fchdir fchmod fchmodat fchmodat2 fchown
    fchownat fcntl fdatasync fgetxattr file_getattr file_setattr finit_module flistxattr flock
    fremovexattr fsconfig fsetxattr fsmount fsopen fspick fstat fstatfs fsync ftruncate futex
    futex_requeue futex_wait futex_waitv futex_wake get_mempolicy get_robust_list getcpu
    getcwd getdents64 getegid geteuid getgid getgroups getitimer getpeername getpgid getpid
    getppid getpriority getrandom getresgid getresuid getrlimit getrusage getsid getsockname
    getsockopt gettid gettimeofday getuid getxattr getxattrat init_module inotify_add_watch
    inotify_init1 inotify_rm_watch io_cancel io_destroy io_getevents io_pgetevents io_setup
    io_submit io_uring_enter io_uring_register io_uring_setup ioctl ioprio_get ioprio_set kcmp
    kexec_load keyctl kill landlock_add_rule landlock_create_ruleset landlock_restrict_self
    lgetxattr linkat listen listmount listns listxattr listxattrat llistxattr lookup_dcookie
    lremovexattr lseek lsetxattr lsm_get_self_attr lsm_list_modules lsm_set_self_attr madvise
    map_shadow_stack mbind membarrier memfd_create memfd_secret migrate_pages mincore mkdirat
    mknodat mlock mlock2 mlockall mmap mount mount_setattr move_mount move_pages mprotect
    mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedsend mq_unlink mremap mseal msgctl
    msgget msgrcv msgsnd msync munlock munlockall munmap name_to_handle_at nanosleep
    nfsservctl open_by_handle_at open_tree open_tree_attr openat openat2 perf_event_open
    personality pidfd_getfd pidfd_open pidfd_send_signal pipe2 pivot_root pkey_alloc pkey_free
    pkey_mprotect ppoll prctl pread64 preadv preadv2 prlimit64 process_madvise
    process_mrelease process_vm_readv process_vm_writev pselect6 ptrace pwrite64 pwritev
    pwritev2 quotactl quotactl_fd read readahead readlinkat readv reboot recvfrom recvmmsg
    recvmsg remap_file_pages removexattr removexattrat renameat renameat2 request_key
    restart_syscall rseq rseq_slice_yield rt_sigaction rt_sigpending rt_sigprocmask
    rt_sigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait rt_tgsigqueueinfo
    sched_get_priority_max sched_get_priority_min sched_getaffinity sched_getattr
    sched_getparam sched_getscheduler sched_rr_get_interval sched_setaffinity sched_setattr
    sched_setparam sched_setscheduler sched_yield seccomp semctl semget sendfile sendmmsg
    sendmsg sendto set_mempolicy set_mempolicy_home_node set_robust_list set_tid_address
    setdomainname setfsgid setfsuid setgid setgroups sethostname setitimer setns setpgid
    setpriority setregid setresgid setresuid setreuid setrlimit setsid setsockopt settimeofday
    setuid setxattr setxattrat shmat shmctl shmdt shmget shutdown sigaltstack signalfd4 socket
    socketpair splice statfs statmount statx swapoff swapon symlinkat sync sync_file_range
    syncfs sysinfo syslog tee tgkill timer_create timer_delete timer_getoverrun timer_gettime
    timer_settime timerfd_create timerfd_gettime timerfd_settime times tkill truncate umask
    umount2 uname unlinkat unshare userfaultfd utimensat vhangup vmsplice wait4 waitid write
    writev
"""
"""On x86_64, x86 and arm64."""

_BOTH_X86 = """
    _sysctl access afs_syscall alarm arch_prctl chmod chown creat create_module dup2
    epoll_create epoll_wait eventfd fork futimesat get_kernel_syms get_thread_area getdents
    getpgrp getpmsg inotify_init ioperm iopl lchown link lstat mkdir mknod modify_ldt open
    pause pipe poll putpmsg query_module readlink rename rmdir select set_thread_area signalfd
    stat symlink sysfs time unlink uselib ustat utime utimes vfork vserver
"""
"""On x86_64 and x86."""

_NOT_X86 = """
    accept kexec_file_load newfstatat semop semtimedop
"""
"""On x86_64 and arm64."""

_ONLY_X86_64 = """
    epoll_ctl_old epoll_wait_old security tuxcall uprobe uretprobe
"""
"""On x86_64."""

_ONLY_X86 = """
    _llseek _newselect bdflush break chown32 clock_adjtime64 clock_getres_time64
    clock_gettime64 clock_nanosleep_time64 clock_settime64 fadvise64_64 fchown32 fcntl64
    fstat64 fstatat64 fstatfs64 ftime ftruncate64 futex_time64 getegid32 geteuid32 getgid32
    getgroups32 getresgid32 getresuid32 getuid32 gtty idle io_pgetevents_time64 ipc lchown32
    lock lstat64 mmap2 mpx mq_timedreceive_time64 mq_timedsend_time64 nice oldfstat oldlstat
    oldolduname oldstat olduname ppoll_time64 prof profil pselect6_time64 readdir
    recvmmsg_time64 rt_sigtimedwait_time64 sched_rr_get_interval_time64 semtimedop_time64
    sendfile64 setfsgid32 setfsuid32 setgid32 setgroups32 setregid32 setresgid32 setresuid32
    setreuid32 setuid32 sgetmask sigaction signal sigpending sigprocmask sigreturn sigsuspend
    socketcall ssetmask stat64 statfs64 stime stty timer_gettime64 timer_settime64
    timerfd_gettime64 timerfd_settime64 truncate64 ugetrlimit ulimit umount utimensat_time64
    vm86 vm86old waitpid
"""
"""On x86."""

_ELSEWHERE = """
    arm_fadvise64_64 arm_sync_file_range breakpoint cachectl cacheflush get_tls multiplexer
    pciconfig_iobase pciconfig_read pciconfig_write recv riscv_flush_icache riscv_hwprobe rtas
    s390_guarded_storage s390_pci_mmio_read s390_pci_mmio_write s390_runtime_instr s390_sthyi
    send set_tls spu_create spu_run subpage_prot swapcontext switch_endian sync_file_range2
    sys_debug_setcontext syscall sysmips timerfd usr26 usr32
"""
"""On none of the three, but an architecture that OCI names."""

X86_64 = frozenset(f"{_EVERYWHERE} {_BOTH_X86} {_NOT_X86} {_ONLY_X86_64}".split())
X86 = frozenset(f"{_EVERYWHERE} {_BOTH_X86} {_ONLY_X86}".split())
ARM64 = frozenset(f"{_EVERYWHERE} {_NOT_X86}".split())
KNOWN = X86_64 | X86 | ARM64 | frozenset(_ELSEWHERE.split())
