package sources

import (
	"testing"

	"github.com/go-logr/logr"
	"go.uber.org/goleak"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"
)

func TestMain(m *testing.M) {
	// Before any test starts goroutines that log.
	ctrllog.SetLogger(logr.Discard())
	goleak.VerifyTestMain(m)
}
