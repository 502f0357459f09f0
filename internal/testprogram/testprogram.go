package testprogram

import (
	"context"
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

// Program is one that is built from a module.
type Program struct {
	// Name names its folder and its file in the cache.
	Name string
	// Env names an environment variable that may hold the path of one to use instead.
	Env string
	// Target is what gets it, for example "make consul". It stands in errors.
	Target string
	// Mod and Sum are the go.mod and go.sum of a module that requires it.
	Mod, Sum []byte
	// Module is the path of the required module whose version is the program's.
	Module string
	// Package is the main package, unless there is Main.
	Package string
	// Tags are the build tags, separated by commas; empty: none.
	Tags string
	// Main is the text of a main package, for a program that has none of its own.
	Main []byte
}

// ErrMissing is what the error of Find wraps if there is no program.
var ErrMissing = errors.New("not built here")

// Find returns the path of the program. It only looks.
func (p *Program) Find() (string, error) {
	if path := os.Getenv(p.Env); path != "" {
		if !executable(path) {
			return "", fmt.Errorf("%s is set to %s, which is no program", p.Env, path)
		}
		return path, nil
	}
	path, err := p.path()
	if err == nil && !executable(path) {
		err = fmt.Errorf("%s is %w: set %s, or run `%s` once", p.Name, ErrMissing, p.Env, p.Target)
	}
	return path, err
}

// path returns where a build is, or would be, in a cache that all clones share.
func (p *Program) path() (string, error) {
	requirement, err := regexp.Compile(`(?m)^\s*(?:require )?` + regexp.QuoteMeta(p.Module) + ` v(\S+)`)
	if err != nil {
		return "", err
	}
	version := requirement.FindSubmatch(p.Mod)
	if version == nil {
		return "", fmt.Errorf("the module of %s does not require %s", p.Name, p.Module)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find the user's cache directory (or set %s): %w", p.Env, err)
	}
	return filepath.Join(cache, "fairlead", p.Name, p.Name+"-"+string(version[1])), nil
}

func executable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}

// Build is Find, and builds the program if there is none, which may take minutes.
// Progress is told in whole lines. When ctx ends it gives up.
func (p *Program) Build(ctx context.Context, progress io.Writer) (_ string, err error) {
	path, err := p.Find()
	if !errors.Is(err, ErrMissing) {
		return path, err
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
		return "", fmt.Errorf("wait for another process that builds %s: %w", p.Name, err)
	}
	if executable(path) { // by whoever held the lock before
		return path, nil
	}
	start := time.Now()
	fmt.Fprintln(progress, "building", filepath.Base(path)+": may take some minutes the first time") //nolint:errcheck // Only talk.
	if err := p.compile(ctx, path); err != nil {
		return "", err
	}
	fmt.Fprintln(progress, path, "took", time.Since(start).Round(time.Second)) //nolint:errcheck // Only talk.
	return path, nil
}

// compile builds under another name first, so that a build that was broken off leaves
// nothing that looks like a program.
func (p *Program) compile(ctx context.Context, path string) error {
	dir, err := os.MkdirTemp("", "fairlead-build-")
	if err != nil {
		return fmt.Errorf("make a directory to build %s in: %w", p.Name, err)
	}
	defer os.RemoveAll(dir) //nolint:errcheck // It is temporary.
	files := map[string][]byte{"go.mod": p.Mod, "go.sum": p.Sum}
	target := p.Package
	if p.Main != nil {
		files["main.go"], target = p.Main, "."
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
			return fmt.Errorf("write the module to build %s from: %w", p.Name, err)
		}
	}
	unfinished := path + ".unfinished"
	command := exec.CommandContext(ctx, "go", "build", "-o", unfinished, "-trimpath", "-buildvcs=false", "-ldflags", "-s -w", "-tags", p.Tags, target)
	command.Dir = dir
	command.WaitDelay = 10 * time.Second
	command.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off", "GOFLAGS=")
	if output, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s: %w\n%s", p.Name, err, output)
	}
	return os.Rename(unfinished, path)
}
