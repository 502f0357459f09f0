package aptcache

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/fairlead-dev/fairlead/internal/flock"
)

// lockPoll is how often a process that waits for another looks again.
const lockPoll = 200 * time.Millisecond

// Available reports whether this system has what Fetch needs.
func Available() bool {
	for _, program := range []string{"apt-get", "dpkg-deb"} {
		if _, err := exec.LookPath(program); err != nil {
			return false
		}
	}
	return true
}

// Fetch unpacks packages, and what they need that the system does not have, into a folder
// of Dir(kind), as the only one of several processes. It does nothing if found, which is
// asked once no other process does, says that all is there. say is told of progress, in
// lines.
func Fetch(ctx context.Context, kind, name string, packages []string, found func() bool, say func(format string, args ...any)) error {
	cache, err := Dir(kind)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return err
	}
	file, err := os.OpenFile(filepath.Join(cache, ".lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return err
	}
	defer file.Close() //nolint:errcheck // Nothing was written.
	if err := flock.Wait(ctx, file, flock.Exclusive, lockPoll); err != nil {
		return err
	}
	if found() {
		return nil // whoever held the lock before
	}
	start := time.Now()
	say("fetching %s", strings.Join(packages, ", "))
	a := apt{dir: filepath.Join(cache, "apt")}
	archives, err := a.download(ctx, packages)
	if err != nil {
		return err
	}
	unfinished, final := filepath.Join(cache, name+".unfinished"), filepath.Join(cache, name)
	if err := errors.Join(os.RemoveAll(unfinished), os.RemoveAll(final)); err != nil {
		return err
	}
	for _, archive := range archives {
		if err := run(ctx, "dpkg-deb", "-x", archive, unfinished); err != nil {
			return err
		}
	}
	if err := errors.Join(os.Rename(unfinished, final), os.RemoveAll(a.dir)); err != nil {
		return err
	}
	if !found() {
		return fmt.Errorf("%s do not hold all that is needed of %s", strings.Join(packages, ", "), name)
	}
	say("%s took %s", final, time.Since(start).Round(time.Second))
	return nil
}

// apt calls apt-get with a folder of its own, so that it changes nothing of the
// system's and needs no rights.
type apt struct{ dir string }

// download returns the archives of packages and of what they need that the system
// does not have.
func (a apt) download(ctx context.Context, packages []string) ([]string, error) {
	for _, dir := range []string{"archives/partial", "lists/partial"} {
		if err := os.MkdirAll(filepath.Join(a.dir, dir), 0o755); err != nil {
			return nil, err
		}
	}
	install := append([]string{"install", "--download-only", "--yes", "--no-install-recommends"}, packages...)
	if err := a.get(ctx, "", install...); err != nil {
		// The system's lists are old, or not there. One source of several that does
		// not answer is no reason to give up.
		updated := a.get(ctx, "lists", "update")
		if err := a.get(ctx, "lists", install...); err != nil {
			return nil, errors.Join(updated, err)
		}
	}
	archives, err := filepath.Glob(filepath.Join(a.dir, "archives", "*.deb"))
	if err == nil && len(archives) == 0 {
		err = errors.New("apt-get has downloaded nothing")
	}
	var kept []string
	for _, archive := range archives {
		// Another C library than that of the system's loader does not run.
		if !strings.HasPrefix(filepath.Base(archive), "libc6") && !strings.HasPrefix(filepath.Base(archive), "libc-bin") {
			kept = append(kept, archive)
		}
	}
	return kept, err
}

// get runs apt-get, with lists of its own if it says where.
func (a apt) get(ctx context.Context, lists string, args ...string) error {
	options := []string{
		"-o", "Debug::NoLocking=1", "-o", "APT::Sandbox::User=", "-o", "Dir::Cache=" + a.dir,
		"-o", "Dir::Cache::archives=" + filepath.Join(a.dir, "archives"),
	}
	if lists != "" {
		options = append(options, "-o", "Dir::State::lists="+filepath.Join(a.dir, lists))
	}
	return run(ctx, "apt-get", append(options, args...)...)
}

// run runs a command, whose output is part of the error.
func run(ctx context.Context, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "DEBIAN_FRONTEND=noninteractive")
	if output, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", cmd, err, output)
	}
	return nil
}
