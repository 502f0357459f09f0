package aptcache

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// Dir is where programs of a kind are. It is shared by every clone of the repository, and
// is one for each release of a system.
func Dir(kind string) (string, error) {
	cache := "/var/cache"
	if os.Geteuid() != 0 {
		dir, err := os.UserCacheDir()
		if err != nil {
			return "", fmt.Errorf("find the user's cache directory: %w", err)
		}
		cache = dir
	}
	return filepath.Join(cache, "fairlead", kind, system()), nil
}

// system names the release of the system, such as debian-12-amd64.
func system() string {
	text, _ := os.ReadFile("/etc/os-release") // without it there is no apt-get either
	id, version := "unknown", "0"
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		switch value = strings.Trim(value, `"'`); name {
		case "ID":
			id = value
		case "VERSION_ID":
			version = value
		}
	}
	return filepath.Base(id + "-" + version + "-" + runtime.GOARCH)
}

// Libraries are the folders of shared libraries below root, which a program that was
// unpacked there is to be told of (LD_LIBRARY_PATH).
func Libraries(root string) (dirs []string) {
	for _, pattern := range []string{"usr/lib/*-linux-gnu*", "lib/*-linux-gnu*"} {
		found, _ := filepath.Glob(filepath.Join(root, pattern))
		dirs = append(dirs, found...)
	}
	return dirs
}
