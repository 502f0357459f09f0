package app

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
)

// build is what is known of how the program was built.
type build struct {
	version string // "dev" if the linker was told none
	commit  string // with "-dirty" if the tree had changes; may be empty
	date    string // of the commit, RFC 3339; may be empty
	goes    string // Go's version and the platform
}

// builtFrom completes what the linker was told by what go build notes by
// itself: plain `go build` in a checkout knows the commit, `go install` of a
// version knows that.
func builtFrom(version, commit string, info *debug.BuildInfo) build {
	b := build{version: version, commit: commit, goes: fmt.Sprintf("%s %s/%s", runtime.Version(), runtime.GOOS, runtime.GOARCH)}
	if info == nil {
		return b
	}
	if v := info.Main.Version; (b.version == "" || b.version == "dev") && v != "" && v != "(devel)" {
		b.version = v
	}
	settings := map[string]string{}
	for _, s := range info.Settings {
		settings[s.Key] = s.Value
	}
	if b.commit == "" && settings["vcs.revision"] != "" {
		b.commit = settings["vcs.revision"]
		if settings["vcs.modified"] == "true" {
			b.commit += "-dirty"
		}
	}
	b.date = settings["vcs.time"]
	return b
}

// String is a line of what is known.
func (b build) String() string {
	version := b.version
	if version == "" {
		version = "dev"
	}
	known := []string{"commit not known"}
	if b.commit != "" {
		known[0] = "commit " + b.commit
	}
	if b.date != "" {
		known = append(known, b.date)
	}
	return fmt.Sprintf("%s (%s)", version, strings.Join(append(known, b.goes), ", "))
}

// collector tells Prometheus of b.
func (b build) collector() prometheus.Collector {
	info := prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "fairlead_build_info",
		Help: "1, with the version, the commit and the Go version that the program was built from.",
	}, []string{"version", "commit", "goversion"})
	info.WithLabelValues(cmp.Or(b.version, "dev"), b.commit, runtime.Version()).Set(1)
	return info
}

// build returns what is known of how the program was built.
func (o Options) build() build {
	info, _ := debug.ReadBuildInfo()
	return builtFrom(o.Version, o.Commit, info)
}

// describe returns the line that --version and `fairlead version` print.
func (o Options) describe() string {
	return o.build().String()
}

// answer returns what /version answers.
func (b build) answer() api.Version {
	return api.Version{Version: cmp.Or(b.version, "dev"), Commit: b.commit, Date: b.date, Go: b.goes}
}

// serveVersion answers /version.
func (p *program) serveVersion(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(p.settings.options.build().answer()); err != nil {
		p.log.V(1).Info("Could not answer /version", "reason", err.Error())
	}
}
