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

// ErrNotFound is what Find returns where the binaries are neither in
// KUBEBUILDER_ASSETS nor in the cache. Assets, and so `make control-plane`,
// gets them there.
var ErrNotFound = errors.New("no kube-apiserver and etcd to test against: run `make control-plane` once, or set " + assetsEnv)

// Find returns the directory that holds kube-apiserver and etcd. It looks only,
// in the order that the package's picture shows, and returns ErrNotFound when
// there is none.
func Find() (string, error) {
	if dir := os.Getenv(assetsEnv); holdsBoth(dir) {
		return dir, nil
	}
	_, v, err := pinned()
	if err != nil {
		return "", err
	}
	cache, err := cacheDir()
	if err != nil {
		return "", err
	}
	if dir := filepath.Join(cache, v.dirName()); holdsBoth(dir) {
		return dir, nil
	}
	if dir := newestDownload(cache, v); dir != "" {
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

// newestDownload returns what setup-envtest left in the cache: of the releases
// of the pinned minor version the newest, or "".
func newestDownload(cache string, v Versions) string {
	major, minor := v.minor()
	// setup-envtest names its folders <version>-<os>-<arch>.
	suffix := "-" + runtime.GOOS + "-" + runtime.GOARCH
	prefix := major + "." + minor + "."
	dirs, err := filepath.Glob(filepath.Join(cache, "k8s", prefix+"*"+suffix))
	if err != nil {
		return ""
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
