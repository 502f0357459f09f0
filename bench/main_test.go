package bench

import (
	"os"
	"testing"
)

// TestMain ends what benchmarks share. In a helper's process it is the helper.
func TestMain(m *testing.M) {
	if name := os.Getenv(helperEnv); name != "" {
		serveHelper(name)
		return
	}
	defer sharedServer.close()
	m.Run()
}
