package leaks

import (
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(Patient(m)) }

// A goroutine that does not end is found, and one that takes its time is waited for.
func TestFind(t *testing.T) {
	others, end := goleak.IgnoreCurrent(), make(chan struct{})
	go waits(end)
	if err := find(0, others); err == nil || !strings.Contains(err.Error(), "leaks.waits") {
		t.Errorf("what is left: %v", err)
	}
	time.AfterFunc(time.Second, func() { close(end) }) // goleak gives up before that
	if err := Find(others); err != nil {
		t.Error(err)
	}
}

func waits(end <-chan struct{}) { <-end }

// tests are a test program that ends with a code and leaves a goroutine.
type tests struct {
	code int
	end  chan struct{}
}

func (m tests) Run() int {
	go waits(m.end)
	time.AfterFunc(time.Second, func() { close(m.end) })
	return m.code
}

// Who passes is waited for, and who fails is not.
func TestPatient(t *testing.T) {
	for _, code := range []int{0, 1} {
		others := goleak.IgnoreCurrent()
		m := tests{code, make(chan struct{})}
		if got := Patient(m, others).Run(); got != code {
			t.Errorf("code %d, want %d", got, code)
		}
		select {
		case <-m.end:
		default:
			if code == 0 {
				t.Error("it has not waited")
			}
		}
		if err := Find(others); err != nil {
			t.Error(err)
		}
	}
}
