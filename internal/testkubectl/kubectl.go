package testkubectl

import (
	"bytes"
	"context"
	_ "embed" // the module that pins kubectl
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/fairlead-dev/fairlead/internal/testprogram"
)

// The module that pins kubectl, and its main.
var (
	//go:embed servers/kubectl.mod
	kubectlMod []byte
	//go:embed servers/kubectl.sum
	kubectlSum []byte
	//go:embed servers/kubectl.go.txt
	kubectlMain []byte
)

// Kubectl is the kubectl that tests run.
var Kubectl = &testprogram.Program{
	Name: "kubectl", Env: "FAIRLEAD_KUBECTL", Target: "make kubectl",
	Mod: kubectlMod, Sum: kubectlSum, Module: "k8s.io/kubectl", Main: kubectlMain,
}

// requireEnv is fairleadtest.RequireEnv: with it a test fails where it would be skipped.
const requireEnv = "FAIRLEAD_REQUIRE_CONTROL_PLANE"

// CLI is a user of kubectl with a kubeconfig and a home of its own. Its methods may be
// called concurrently.
type CLI struct{ path, kubeconfig, home, plugins string }

// New returns a CLI that ends with the test. Kubectl finds plugins in the folder plugins, and
// nowhere else; if that is empty there are none. The test ends where there is no kubectl.
func New(t testing.TB, kubeconfig, plugins string) *CLI {
	t.Helper()
	path, err := Kubectl.Find()
	switch {
	case err != nil && os.Getenv(requireEnv) != "":
		t.Fatal(err)
	case err != nil:
		t.Skip(err)
	}
	return &CLI{path: path, kubeconfig: kubeconfig, home: t.TempDir(), plugins: plugins}
}

// Run runs kubectl until it ends or ctx does, and returns what it prints to stdout. The error
// holds what it prints besides.
func (c *CLI) Run(ctx context.Context, args ...string) (string, error) {
	var stdout, stderr bytes.Buffer
	command := c.Command(ctx, args...)
	command.Stdout, command.Stderr = &stdout, &stderr
	if err := command.Run(); err != nil {
		return stdout.String(), fmt.Errorf("kubectl %s: %w\n%s", strings.Join(args, " "), err, &stderr)
	}
	return stdout.String(), nil
}

// Command is kubectl with arguments, which is still to be started.
func (c *CLI) Command(ctx context.Context, args ...string) *exec.Cmd {
	command := exec.CommandContext(ctx, c.path, args...)
	command.Dir = c.home
	command.Env = []string{"HOME=" + c.home, "KUBECONFIG=" + c.kubeconfig, "PATH=" + c.plugins}
	return command
}
