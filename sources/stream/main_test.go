package stream

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/fairlead-dev/fairlead/internal/leaks"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(leaks.Patient(m)) }
