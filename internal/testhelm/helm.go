package testhelm

import (
	"bytes"
	"context"
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fairlead-dev/fairlead/internal/testprogram"
	"github.com/fairlead-dev/fairlead/internal/testserver"
)

// The modules that pin Helm.
var (
	//go:embed servers/helm.mod
	helmMod []byte
	//go:embed servers/helm.sum
	helmSum []byte
	//go:embed servers/helm3.mod
	helm3Mod []byte
	//go:embed servers/helm3.sum
	helm3Sum []byte
)

// Helm is the Helm that tests run, where they do not name another one.
var Helm = &testprogram.Program{
	Name: "helm", Env: "FAIRLEAD_HELM", Target: "make helm",
	Mod: helmMod, Sum: helmSum, Module: "helm.sh/helm/v4", Package: "helm.sh/helm/v4/cmd/helm",
}

// Helm3 is the one of the major version before. It takes --kube-version, because its version
// of Kubernetes is set by its own Makefile only.
var Helm3 = &testprogram.Program{
	Name: "helm3", Env: "FAIRLEAD_HELM3", Target: "make helm",
	Mod: helm3Mod, Sum: helm3Sum, Module: "helm.sh/helm/v3", Package: "helm.sh/helm/v3/cmd/helm",
}

// requireEnv is fairleadtest.RequireEnv: with it a test fails where it would be skipped.
const requireEnv = "FAIRLEAD_REQUIRE_CONTROL_PLANE"

// Require returns the path of Helm, and ends the test where there is none.
func Require(t testing.TB) string {
	t.Helper()
	return require(t, Helm)
}

// Require3 is Require for Helm3.
func Require3(t testing.TB) string {
	t.Helper()
	return require(t, Helm3)
}

func require(t testing.TB, program *testprogram.Program) string {
	t.Helper()
	path, err := program.Find()
	if err != nil {
		testserver.Missing(t, requireEnv, err)
	}
	return path
}

// Run runs Helm with arguments, and returns what it prints. The error holds what it says of
// a failure.
func Run(ctx context.Context, path string, args ...string) ([]byte, error) {
	home, err := os.MkdirTemp("", "fairlead-helm-")
	if err != nil {
		return nil, fmt.Errorf("make a folder for Helm's caches: %w", err)
	}
	defer os.RemoveAll(home) //nolint:errcheck // It is temporary.
	command := exec.CommandContext(ctx, path, args...)
	command.Env = []string{"HOME=" + home, "PATH=" + os.Getenv("PATH")}
	for _, folder := range []string{"CACHE", "CONFIG", "DATA"} {
		command.Env = append(command.Env, "HELM_"+folder+"_HOME="+filepath.Join(home, strings.ToLower(folder)))
	}
	var stdout, stderr bytes.Buffer
	command.Stdout, command.Stderr = &stdout, &stderr
	if err := command.Run(); err != nil {
		return nil, fmt.Errorf("helm %s: %w\n%s%s", strings.Join(args, " "), err, &stderr, &stdout)
	}
	return stdout.Bytes(), nil
}
