package controlplane

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
)

const (
	assetsEnv = "KUBEBUILDER_ASSETS"

	apiServer = "kube-apiserver"
	etcd      = "etcd"
)

// ErrNotFound is what Find returns where the binaries are in none of the places that it
// knows. Assets gets them into one, and the command does.
var ErrNotFound = errors.New("no kube-apiserver and etcd to test against: set " + assetsEnv +
	", or run `go run github.com/fairlead-dev/fairlead/fairleadtest/control-plane` once (`make control-plane` in a clone of fairlead)")

// Find returns the directory that holds kube-apiserver and etcd. It looks only,
// in the order that the package's picture shows, and returns ErrNotFound when
// there is none.
func Find() (string, error) {
	if dir := os.Getenv(assetsEnv); holdsBoth(dir) {
		return dir, nil
	}
	v := Pinned()
	cache, err := cacheDir()
	if err != nil {
		return "", err
	}
	if dir := filepath.Join(cache, v.dirName()); holdsBoth(dir) {
		return dir, nil
	}
	if dir := newestDownload(v, cache, envtestStore()); dir != "" {
		return dir, nil
	}
	return "", ErrNotFound
}

// cacheDir is shared by every clone of the repository.
func cacheDir() (string, error) {
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find the user's cache directory (or set %s): %w", assetsEnv, err)
	}
	return filepath.Join(dir, "fairlead", "controlplane"), nil
}

// holdsBoth reports whether dir has both programs.
func holdsBoth(dir string) bool {
	return dir != "" && executable(filepath.Join(dir, apiServer)) && executable(filepath.Join(dir, etcd))
}

func executable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}

// envtestStore is where setup-envtest puts its downloads if it is not told otherwise, or
// "" where there is no such place. See DefaultStoreDir in its package store.
func envtestStore() string {
	home, err := os.UserHomeDir()
	if err != nil {
		return ""
	}
	if runtime.GOOS == "darwin" {
		return filepath.Join(home, "Library", "Application Support", "io.kubebuilder.envtest")
	}
	return filepath.Join(cmp.Or(os.Getenv("XDG_DATA_HOME"), filepath.Join(home, ".local", "share")), "kubebuilder-envtest")
}

// newestDownload returns what setup-envtest left in one of its folders: of the releases
// of the pinned minor version the newest, or "".
func newestDownload(v Versions, folders ...string) string {
	major, minor := v.minor()
	// setup-envtest names its folders <version>-<os>-<arch>.
	suffix := "-" + runtime.GOOS + "-" + runtime.GOARCH
	prefix := major + "." + minor + "."
	var dirs []string
	for _, folder := range folders {
		found, _ := filepath.Glob(filepath.Join(folder, "k8s", prefix+"*"+suffix)) // An odd name holds none.
		dirs = append(dirs, found...)
	}
	patch := func(dir string) int {
		n, err := strconv.Atoi(strings.TrimSuffix(strings.TrimPrefix(filepath.Base(dir), prefix), suffix))
		if err != nil {
			return -1 // A pre-release: only if there is nothing else.
		}
		return n
	}
	dirs = slices.DeleteFunc(dirs, func(dir string) bool { return !holdsBoth(dir) })
	if len(dirs) == 0 {
		return ""
	}
	return slices.MaxFunc(dirs, func(a, b string) int { return cmp.Compare(patch(a), patch(b)) })
}
