package controlplane

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"time"
)

const (
	// releaseIndex lists the releases that setup-envtest downloads.
	releaseIndex = "https://raw.githubusercontent.com/kubernetes-sigs/controller-tools/HEAD/envtest-releases.yaml"

	// setupEnvtest is what downloads them, of the version in which its flags were tried.
	setupEnvtest = "sigs.k8s.io/controller-runtime/tools/setup-envtest@v0.25.1"

	// noDownloadEnv is setup-envtest's own variable: set to anything, it downloads
	// nothing.
	noDownloadEnv = "ENVTEST_INSTALLED_ONLY"

	// probeTimeout is all the time that a host without a way to the index loses.
	probeTimeout = 5 * time.Second

	// downloadTimeout is well below the time that a build takes.
	downloadTimeout = 2 * time.Minute

	// killDelay is how long children of a go command that was broken off may hold
	// on to its output.
	killDelay = 5 * time.Second
)

// download has setup-envtest put the newest release of the pinned minor version
// into the cache, under its own version.
func (m maker) download(ctx context.Context) error {
	if err := m.probe(ctx); err != nil {
		return err
	}
	major, minor := m.versions.minor()
	release := major + "." + minor + ".x"
	m.say("downloading Kubernetes %s", release)
	ctx, cancel := context.WithTimeout(ctx, downloadTimeout)
	defer cancel()
	command := exec.CommandContext(ctx, "go", "run", setupEnvtest,
		"use", release, "--bin-dir", m.cache, "--index", m.index, "--print", "path")
	command.Dir = m.servers
	command.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=", "GOOS="+runtime.GOOS, "GOARCH="+runtime.GOARCH)
	command.WaitDelay = killDelay
	if output, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("setup-envtest: %w: %s", err, output)
	}
	return nil
}

// probe asks whether the index can be reached, before a tool is built to read it.
func (m maker) probe(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodHead, m.index, nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	if err := response.Body.Close(); err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return errors.New(m.index + ": " + response.Status)
	}
	return nil
}
