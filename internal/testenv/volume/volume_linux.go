package volume

import (
	"fmt"
	"os"
	"strings"
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

// ownMountsAndUsers is OwnMounts for a child that reads what this process reads. Root needs all
// users for that, and nobody for the servers that it starts: so it has those that there are here,
// each as itself. Anybody else stays who it is, and may mount.
func ownMountsAndUsers() *syscall.SysProcAttr {
	attributes := &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	attributes.UidMappings = []syscall.SysProcIDMap{{ContainerID: os.Getuid(), HostID: os.Getuid(), Size: 1}}
	attributes.GidMappings = []syscall.SysProcIDMap{{ContainerID: os.Getgid(), HostID: os.Getgid(), Size: 1}}
	if os.Getuid() != 0 {
		attributes.AmbientCaps = []uintptr{unix.CAP_SYS_ADMIN}
		return attributes
	}
	for file, all := range map[string]*[]syscall.SysProcIDMap{"/proc/self/uid_map": &attributes.UidMappings, "/proc/self/gid_map": &attributes.GidMappings} {
		if text, err := os.ReadFile(file); err == nil {
			if same := asThemselves(string(text)); len(same) > 0 {
				*all = same
			}
		}
	}
	attributes.GidMappingsEnableSetgroups = true
	return attributes
}

// asThemselves maps each number of a uid_map or gid_map to itself. It returns none if the text is
// no such map.
func asThemselves(text string) (all []syscall.SysProcIDMap) {
	for line := range strings.Lines(text) {
		var inside, outside, size int
		if _, err := fmt.Sscan(line, &inside, &outside, &size); err != nil {
			return nil
		}
		all = append(all, syscall.SysProcIDMap{ContainerID: inside, HostID: inside, Size: size})
	}
	return all
}

// Mount mounts an empty volume of so many bytes at a folder that is there.
func Mount(dir string, size int) error {
	return syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprint("size=", size))
}
