package sources

import (
	"testing"

	"github.com/go-logr/logr"
	"go.uber.org/goleak"
	"k8s.io/klog/v2" //nolint:depguard // To count what client-go logs.
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/fairlead-dev/fairlead/internal/leaks"
)

func TestMain(m *testing.M) {
	// Before any test starts goroutines that log.
	ctrllog.SetLogger(logr.Discard())
	klog.SetLogger(clientGo.logger())
	goleak.VerifyTestMain(leaks.Patient(m))
}
