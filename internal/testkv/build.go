package testkv

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"time"

	"github.com/fairlead-dev/fairlead/internal/flock"
)

// ConsulEnv names an environment variable that holds the path of a consul to test with.
const ConsulEnv = "FAIRLEAD_CONSUL"

// The module that pins Consul. It is not named go.mod, because then it could not be
// embedded.
var (
	//go:embed servers/consul.mod
	consulMod []byte
	//go:embed servers/consul.sum
	consulSum []byte
)

var consulRequire = regexp.MustCompile(`(?m)^\s*(?:require )?github\.com/hashicorp/consul v(\S+)`)

// errNoConsul is what FindConsul returns where there is none.
var errNoConsul = errors.New("no consul to test against: set " + ConsulEnv + ", or run `make consul` once")

// FindConsul returns the path of the consul to test with. It only looks.
func FindConsul() (string, error) {
	if path := os.Getenv(ConsulEnv); path != "" {
		if !executable(path) {
			return "", fmt.Errorf("%s is set to %s, which is no program", ConsulEnv, path)
		}
		return path, nil
	}
	path, err := consulPath()
	if err == nil && !executable(path) {
		err = errNoConsul
	}
	return path, err
}

// consulPath returns where a build is, or would be, in a cache that all clones share.
func consulPath() (string, error) {
	version := consulRequire.FindSubmatch(consulMod)
	if version == nil {
		return "", errors.New("servers/consul.mod requires no version of Consul")
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find the user's cache directory (or set %s): %w", ConsulEnv, err)
	}
	return filepath.Join(cache, "fairlead", "consul", "consul-"+string(version[1])), nil
}

func executable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}

// BuildConsul is FindConsul, and builds Consul where that finds none, which takes
// minutes. Progress is told in whole lines. When ctx ends it gives up.
func BuildConsul(ctx context.Context, progress io.Writer) (_ string, err error) {
	path, err := FindConsul()
	if !errors.Is(err, errNoConsul) {
		return path, err
	}
	if path, err = consulPath(); err != nil {
		return "", err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return "", fmt.Errorf("make the cache directory: %w", err)
	}
	file, err := os.OpenFile(path+".lock", os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return "", fmt.Errorf("lock the cache: %w", err)
	}
	defer file.Close() //nolint:errcheck // Nothing was written.
	if err := flock.Wait(ctx, file, flock.Exclusive, 200*time.Millisecond); err != nil {
		return "", fmt.Errorf("wait for another process that builds Consul: %w", err)
	}
	if executable(path) { // by whoever held the lock before
		return path, nil
	}
	start := time.Now()
	fmt.Fprintln(progress, "building", filepath.Base(path)+": takes some minutes the first time") //nolint:errcheck // Only talk.
	if err := compile(ctx, path); err != nil {
		return "", err
	}
	fmt.Fprintln(progress, path, "took", time.Since(start).Round(time.Second)) //nolint:errcheck // Only talk.
	return path, nil
}

// compile builds under another name first, so that a build that was broken off leaves
// nothing that looks like a program.
func compile(ctx context.Context, path string) error {
	dir, err := os.MkdirTemp("", "fairlead-consul-")
	if err != nil {
		return fmt.Errorf("make a directory to build Consul in: %w", err)
	}
	defer os.RemoveAll(dir) //nolint:errcheck // It is temporary.
	for name, text := range map[string][]byte{"go.mod": consulMod, "go.sum": consulSum} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
			return fmt.Errorf("write the module to build Consul from: %w", err)
		}
	}
	unfinished := path + ".unfinished"
	command := exec.CommandContext(ctx, "go", "build", "-o", unfinished, "-trimpath", "-buildvcs=false", "-ldflags", "-s -w", "github.com/hashicorp/consul")
	command.Dir = dir
	command.WaitDelay = 10 * time.Second
	command.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off", "GOFLAGS=")
	if output, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("build Consul: %w\n%s", err, output)
	}
	return os.Rename(unfinished, path)
}
