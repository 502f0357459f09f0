package lab

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestProgramThatEndsByItselfFails(t *testing.T) {
	ctx, fail := context.WithCancelCause(t.Context())
	p, err := StartProgram(fail, filepath.Join(t.TempDir(), "log"), "sh", "-c", "echo gone; exit 3")
	if err != nil {
		t.Fatal(err)
	}
	<-ctx.Done()
	if cause := context.Cause(ctx).Error(); !strings.Contains(cause, "exit status 3") || !strings.Contains(cause, "gone") {
		t.Errorf("it fails with %s", cause)
	}
	if err := p.Kill(); err != nil {
		t.Error(err)
	}
}

func TestProgramThatIsEnded(t *testing.T) {
	ctx, fail := context.WithCancelCause(t.Context())
	defer fail(nil)
	p, err := StartProgram(fail, filepath.Join(t.TempDir(), "log"), "sh", "-c", "exec sleep 600") // nothing but this test ends it
	if err != nil {
		t.Fatal(err)
	}
	p.Expect()
	if err := p.Kill(); err != nil || ctx.Err() != nil {
		t.Errorf("%v, %v", err, context.Cause(ctx))
	}
	var none *Program
	if err := none.Stop(time.Second); err != nil {
		t.Errorf("what was never started: %v", err)
	}
}
