package testkubectl

import (
	"bytes"
	"context"
	_ "embed" // the module that pins kubectl
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fairlead-dev/fairlead/internal/testprogram"
	"github.com/fairlead-dev/fairlead/internal/testserver"
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
type CLI struct {
	// Env are more variables of what is run, such as "A=b". It is set before anything is
	// run.
	Env []string

	path, kubeconfig, home string
	folders                []string
}

// New returns a CLI that ends with the test. Kubectl finds plugins in the folders, and
// nowhere else; plugins find kubectl. The test ends where there is no kubectl.
func New(t testing.TB, kubeconfig string, folders ...string) *CLI {
	t.Helper()
	path, err := Kubectl.Find()
	if err != nil {
		testserver.Missing(t, requireEnv, err)
	}
	bin := t.TempDir()
	if err := os.Symlink(path, filepath.Join(bin, "kubectl")); err != nil {
		t.Fatal(err)
	}
	return &CLI{path: path, kubeconfig: kubeconfig, home: t.TempDir(), folders: append([]string{bin}, folders...)}
}

// Run runs kubectl until it ends or ctx does, and returns what it prints to stdout. The error
// holds what it prints besides.
func (c *CLI) Run(ctx context.Context, args ...string) (string, error) {
	return output(c.command(ctx, c.path, args...))
}

// Shell is Run for a line that a shell runs, as people have it on a page: with pipes, and
// with the programs of this machine.
func (c *CLI) Shell(ctx context.Context, line string) (string, error) {
	return output(c.command(ctx, "/bin/sh", "-c", "PATH=$PATH:/usr/bin:/bin\n"+line))
}

func (c *CLI) command(ctx context.Context, path string, args ...string) *exec.Cmd {
	command := exec.CommandContext(ctx, path, args...)
	command.Dir = c.home
	command.Env = append([]string{"HOME=" + c.home, "KUBECONFIG=" + c.kubeconfig, "PATH=" + strings.Join(c.folders, ":")}, c.Env...)
	return command
}

func output(command *exec.Cmd) (string, error) {
	var stdout, stderr bytes.Buffer
	command.Stdout, command.Stderr = &stdout, &stderr
	if err := command.Run(); err != nil {
		return stdout.String(), fmt.Errorf("%s: %w\n%s", strings.Join(command.Args, " "), err, &stderr)
	}
	return stdout.String(), nil
}
