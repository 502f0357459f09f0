package controlplane

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"time"
)

// build compiles the programs that dir lacks from the servers module.
func (m maker) build(ctx context.Context, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("make the cache directory: %w", err)
	}
	major, minor := m.versions.minor()
	const version = "k8s.io/component-base/version."
	// Without these the server says it is v0.0.0-master, and clients act on that.
	stamp := fmt.Sprintf(" -X %[1]sgitVersion=v%[2]s -X %[1]sgitMajor=%[3]s -X %[1]sgitMinor=%[4]s",
		version, m.versions.Kubernetes, major, minor)
	return errors.Join(
		m.compile(ctx, filepath.Join(dir, etcd), "go.etcd.io/etcd/server/v3", "-s -w",
			"building etcd "+m.versions.Etcd),
		m.compile(ctx, filepath.Join(dir, apiServer), "k8s.io/kubernetes/cmd/kube-apiserver", "-s -w"+stamp,
			"building kube-apiserver "+m.versions.Kubernetes+": takes some minutes the first time"),
	)
}

// compile builds one program under another name and then gives it its own, so
// that a build that was broken off leaves nothing that looks like a program.
func (m maker) compile(ctx context.Context, path, pkg, ldflags, note string) error {
	if executable(path) || ctx.Err() != nil {
		return ctx.Err()
	}
	start := time.Now()
	m.say("%s", note)
	unfinished := path + ".unfinished" // The lock keeps others off it.
	command := exec.CommandContext(ctx, "go", "build", "-o", unfinished, "-trimpath", "-buildvcs=false", "-ldflags", ldflags, pkg)
	command.Dir = m.servers
	command.WaitDelay = killDelay
	// No C compiler needed, and no workspace of the caller's in the way.
	command.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off", "GOFLAGS=", "GOOS="+runtime.GOOS, "GOARCH="+runtime.GOARCH)
	if output, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s in %s: %w\n%s", pkg, m.servers, err, output)
	}
	if err := os.Rename(unfinished, path); err != nil {
		return fmt.Errorf("put %s into place: %w", path, err)
	}
	m.say("%s took %s", path, time.Since(start).Round(time.Second))
	return nil
}
