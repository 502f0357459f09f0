package app

import (
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
)

func TestBuildIsDescribed(t *testing.T) {
	goes := runtime.Version() + " " + runtime.GOOS + "/" + runtime.GOARCH
	checkout := &debug.BuildInfo{Main: debug.Module{Version: "(devel)"}, Settings: []debug.BuildSetting{
		{Key: "vcs.revision", Value: "abc123"}, {Key: "vcs.modified", Value: "true"}, {Key: "vcs.time", Value: "2026-11-26T08:00:00Z"},
	}}
	for _, tc := range []struct {
		version, commit string
		info            *debug.BuildInfo
		want            string
	}{
		{"v1.2.3", "f00", nil, "v1.2.3 (commit f00, " + goes + ")"},
		{"dev", "", nil, "dev (commit not known, " + goes + ")"},
		{"", "", checkout, "dev (commit abc123-dirty, 2026-11-26T08:00:00Z, " + goes + ")"},
		{"dev", "", &debug.BuildInfo{Main: debug.Module{Version: "v0.9.0"}}, "v0.9.0 (commit not known, " + goes + ")"},
		{"v1.2.3", "", checkout, "v1.2.3 (commit abc123-dirty, 2026-11-26T08:00:00Z, " + goes + ")"},
	} {
		if got := builtFrom(tc.version, tc.commit, tc.info).String(); got != tc.want {
			t.Errorf("version %q, commit %q: %s, want %s", tc.version, tc.commit, got, tc.want)
		}
	}
}

func TestVersionIsToldTheSameTwice(t *testing.T) {
	flag, err := command(t, "--version")
	if err != nil {
		t.Fatal(err)
	}
	sub, err := command(t, "version")
	if err != nil {
		t.Fatal(err)
	}
	if flag != sub || !strings.HasPrefix(flag, "fairlead ") || !strings.Contains(flag, runtime.Version()) || !strings.Contains(flag, "commit") {
		t.Errorf("--version tells %q, version %q", flag, sub)
	}
}

// Programs read the version too, whether there is a program that runs or not.
func TestVersionForPrograms(t *testing.T) {
	for form, want := range map[string]string{"json": `"go": "` + runtime.Version(), "yaml": "client:\n", "go-template={{.client.version}}": "dev"} {
		out, err := command(t, "version", "-o", form)
		if err != nil || !strings.Contains(out, want) || strings.HasPrefix(out, "fairlead") {
			t.Errorf("%s: %q, %v", form, out, err)
		}
	}
	if out, err := command(t, "version", "-o=wide"); ExitCode(err) != 2 || out != "" || !strings.Contains(err.Error(), "there are json") {
		t.Errorf("%q, %v", out, err)
	}
}
