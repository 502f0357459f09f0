package bench

import (
	"os"
	"os/signal"
	"syscall"
	"testing"

	"github.com/go-logr/logr"
	"k8s.io/klog/v2" //nolint:depguard // To silence it: peers know no other logger.
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"
)

// TestMain ends what benchmarks share. In a helper's process it is the helper.
func TestMain(m *testing.M) {
	// What peers have to say about watches that end would stand between figures.
	klog.SetLogger(logr.Discard())
	ctrllog.SetLogger(logr.Discard())
	if name := os.Getenv(helperEnv); name != "" {
		serveHelper(name)
		return
	}
	defer sharedServer.close()
	// Else the data of an interrupted run's API server would stay.
	interrupted := make(chan os.Signal, 1)
	signal.Notify(interrupted, os.Interrupt, syscall.SIGTERM)
	go func() {
		s := <-interrupted
		sharedServer.close()
		signal.Reset()
		_ = syscall.Kill(os.Getpid(), s.(syscall.Signal)) // as if nobody had waited for it
	}()
	m.Run()
}
