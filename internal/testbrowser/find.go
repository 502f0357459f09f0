package testbrowser

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/fairlead-dev/fairlead/internal/aptcache"
)

const (
	kind = "browser"
	// debian is the package, and the name of its folder.
	debian = "chromium-headless-shell"
	// pathEnv names the browser that is to be used.
	pathEnv = "FAIRLEAD_CHROMIUM"
)

// names are what the browser is called in PATH.
var names = []string{debian, "chromium", "chromium-browser", "google-chrome"}

var errNotFound = errors.New("there is no Chromium: run `make browser` once, where there is apt-get, or name one in " + pathEnv)

// installed is a browser that was found.
type installed struct {
	path string
	env  []string
}

// find looks for a browser, and fetches nothing.
func find() (installed, error) {
	if path := os.Getenv(pathEnv); path != "" {
		return installed{path: path}, nil
	}
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return installed{path: path}, nil
		}
	}
	cache, err := aptcache.Dir(kind)
	if err != nil {
		return installed{}, err
	}
	root := filepath.Join(cache, debian)
	path := filepath.Join(root, "usr/lib/chromium", debian)
	if _, err := os.Stat(path); err != nil {
		return installed{}, errNotFound
	}
	libraries := aptcache.Libraries(root)
	for _, dir := range libraries { // a library of PulseAudio has others beside it
		libraries = append(libraries, filepath.Join(dir, "pulseaudio"))
	}
	return installed{path, []string{"LD_LIBRARY_PATH=" + strings.Join(libraries, ":")}}, nil
}

// Fetch gets the browser into the cache if the system has none. Where it cannot, that is no
// error: then it says so.
func Fetch(ctx context.Context, progress io.Writer) error {
	say := func(format string, args ...any) { fmt.Fprintf(progress, "browser: "+format+"\n", args...) } //nolint:errcheck // Only talk.
	found := func() bool {
		_, err := find()
		return err == nil
	}
	switch {
	case found():
		return nil
	case !aptcache.Available():
		say("there is no Chromium, and no apt-get to get it with: tests of the status page in a browser are skipped")
		return nil
	}
	return aptcache.Fetch(ctx, kind, debian, []string{debian}, found, say)
}
