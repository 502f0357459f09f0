package fairleadtest

import (
	"os/exec"
	"path/filepath"
	"time"

	"github.com/fairlead-dev/fairlead/internal/child"
)

// startServer starts one of the servers of a cluster, unless it runs already.
func (c *Cluster) startServer(running *child.Process, program string, flags []string) (*child.Process, error) {
	if running.Running() {
		return running, nil
	}
	cmd := exec.Command(filepath.Join(c.assets, program), flags...) //nolint:noctx // It outlives the call that starts it.
	return child.Start(program, cmd, filepath.Join(c.dir, program+".log"))
}

// end asks a server to end, and after grace makes it; with none at once. It
// returns when the server is gone.
func end(server *child.Process, grace time.Duration) error {
	if grace > 0 {
		_ = server.Stop(grace) // How it ends does not matter.
	}
	return server.Kill()
}
