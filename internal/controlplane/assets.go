package controlplane

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// Assets is Find, and where that finds nothing it downloads or builds the
// binaries. That takes minutes and some gigabytes of build cache; progress is
// told in whole lines to the writer. When ctx ends it gives up, and the next call
// begins where this one was.
func Assets(ctx context.Context, progress io.Writer) (string, error) {
	if dir := os.Getenv(assetsEnv); dir != "" && !holdsBoth(dir) {
		fmt.Fprintf(progress, "%s is set to %s, which does not hold both kube-apiserver and etcd: not used\n", assetsEnv, dir) //nolint:errcheck // Only talk.
	}
	if dir, err := Find(); err == nil {
		return dir, nil
	}
	cache, err := cacheDir()
	if err != nil {
		return "", err
	}
	servers, err := os.MkdirTemp("", "fairlead-servers-")
	if err != nil {
		return "", fmt.Errorf("make a directory to build the test control plane in: %w", err)
	}
	defer os.RemoveAll(servers) //nolint:errcheck // It is temporary.
	if err := writeModule(servers); err != nil {
		return "", err
	}
	return maker{
		servers:  servers,
		versions: Pinned(),
		cache:    cache,
		index:    releaseIndex,
		progress: progress,
	}.make(ctx)
}

// maker makes the binaries of one pair of versions.
type maker struct {
	servers  string // the folder of the module to build from
	versions Versions
	cache    string // where the results go
	index    string // URL of the releases to download; empty to build always
	progress io.Writer
}

// make downloads or builds what is not there. Only one process at a time does.
func (m maker) make(ctx context.Context) (string, error) {
	if err := os.MkdirAll(m.cache, 0o755); err != nil {
		return "", fmt.Errorf("make the cache directory: %w", err)
	}
	unlock, err := m.lock(ctx)
	if err != nil {
		return "", err
	}
	defer unlock()

	built := filepath.Join(m.cache, m.versions.dirName())
	if holdsBoth(built) { // By whoever held the lock before.
		return built, nil
	}
	if m.index != "" && os.Getenv(noDownloadEnv) == "" {
		err := m.download(ctx)
		if dir := newestDownload(m.versions, m.cache); dir != "" {
			return dir, nil
		}
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		m.say("no download of the test control plane (%v): building it", err)
	}
	return built, m.build(ctx, built)
}

func (m maker) say(format string, args ...any) {
	fmt.Fprintf(m.progress, "control plane: "+format+"\n", args...) //nolint:errcheck // Only talk.
}
