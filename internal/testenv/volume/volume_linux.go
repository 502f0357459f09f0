package volume

import (
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// OwnMounts lets a child mount what only it and its children see.
func OwnMounts() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
}

// nobody is the user that servers run as where root starts them.
const nobody = 65534

// ownMountsAndUsers is OwnMounts for a child that keeps the users it needs: root has nobody
// beside itself, and anybody else stays who it is, and may mount.
func ownMountsAndUsers() *syscall.SysProcAttr {
	attributes := &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	same := func(id int) syscall.SysProcIDMap { return syscall.SysProcIDMap{ContainerID: id, HostID: id, Size: 1} }
	attributes.UidMappings, attributes.GidMappings = []syscall.SysProcIDMap{same(os.Getuid())}, []syscall.SysProcIDMap{same(os.Getgid())}
	if os.Getuid() == 0 {
		attributes.UidMappings, attributes.GidMappings = append(attributes.UidMappings, same(nobody)), append(attributes.GidMappings, same(nobody))
		attributes.GidMappingsEnableSetgroups = true
	} else {
		attributes.AmbientCaps = []uintptr{unix.CAP_SYS_ADMIN}
	}
	return attributes
}

// Mount mounts an empty volume of so many bytes at a folder that is there.
func Mount(dir string, size int) error {
	return syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprint("size=", size))
}
