package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"syscall"
	"time"

	"github.com/fairlead-dev/fairlead/internal/replay"
	"github.com/fairlead-dev/fairlead/internal/retry"
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/sinks"
	"github.com/fairlead-dev/fairlead/sinks/file"
)

const (
	// answerDelay is how long the sink keeps its answer back. Other changes
	// gather meanwhile, and make batches of which there can be half; and it is
	// time in which a kill finds changes accepted and not acked.
	answerDelay = 20 * time.Millisecond

	// stallPoll is how often a stalled sink looks whether it still is.
	stallPoll = 20 * time.Millisecond

	// slowDelay is what a slow sink takes for a batch.
	slowDelay = 500 * time.Millisecond
)

var (
	errOnPurpose = errors.New("fails on purpose")
	errTooWide   = errors.New("refuses it for good, on purpose")
)

// faultySink is a file sink that fails as it is told to.
type faultySink struct {
	to      pipeline.Sink
	control control
	// die ends the process at once. It does not return, but in tests.
	die func() error
	// freeze stops the process until it is told to go on.
	freeze func() error

	doomed bool // the next write is the last one
}

// faultyKind is the kind of sink that is chosen by chaos:DIR.
func faultyKind() sinks.Kind {
	return sinks.Kind{
		Form: sinks.Form{Scheme: sinkScheme, Usage: sinkScheme + ":DIR", Summary: "a file that fails as a folder tells it to", Rest: sinks.Literal},
		Parse: func(v *sinks.Value) (*sinks.Spec, error) {
			dir := v.Rest
			return &sinks.Spec{
				Identity: sinkScheme + ":" + dir,
				Open:     func(context.Context, sinks.Env) (pipeline.Sink, error) { return openFaultySink(dir) },
			}, nil
		},
	}
}

func openFaultySink(dir string) (pipeline.Sink, error) {
	c := control{dir}
	s := &faultySink{control: c, die: dieNow, freeze: c.freezeNow}
	if _, err := os.Stat(c.compares()); err == nil {
		s.to = comparing{c}
		return s, nil
	}
	to, err := file.Open(c.sink())
	if err != nil {
		return nil, err
	}
	if err := c.begins(); err != nil {
		return nil, errors.Join(err, to.Close())
	}
	s.to = to
	return s, nil
}

// dieNow is what `kill -9` does.
func dieNow() error {
	return syscall.Kill(os.Getpid(), syscall.SIGKILL)
}

// freezeNow stops this process as SIGSTOP does. A thread may run on for a moment: it
// returns once the write may go on.
func (c control) freezeNow() error {
	err := syscall.Kill(os.Getpid(), syscall.SIGSTOP)
	for err == nil && c.isFrozen() {
		err = retry.Sleep(context.Background(), stallPoll)
	}
	return err
}

// Write is the file's Write, but for the faults.
func (s *faultySink) Write(ctx context.Context, batch []*pipeline.Change) error {
	fault, err := s.begin(ctx)
	if err != nil {
		return err
	}
	shunned, whole, err := s.control.readShunned()
	if err != nil || shunned == "" {
		return errors.Join(err, s.write(ctx, fault, batch))
	}
	var others []*pipeline.Change
	var at []int // where in batch they are
	failed := map[int]error{}
	for i, c := range batch {
		if c.Key.Cluster == shunned {
			failed[i] = errOnPurpose
		} else {
			others, at = append(others, c), append(at, i)
		}
	}
	if whole && fault == "" && len(failed) > 0 && len(batch) > 1 {
		return pipeline.Permanent(errOnPurpose)
	}
	err = s.write(ctx, fault, others)
	if partial, ok := errors.AsType[*pipeline.BatchError](err); ok {
		for i, why := range partial.Failed {
			failed[at[i]] = why
		}
	} else if err != nil {
		return err
	}
	if len(failed) == 0 {
		return nil
	}
	return &pipeline.BatchError{Failed: failed}
}

// write is Write with a fault that has begun.
func (s *faultySink) write(ctx context.Context, fault kind, batch []*pipeline.Change) error {
	half := batch[:len(batch)/2]
	switch fault {
	case killBefore:
		return s.die()
	case killMiddle:
		return errors.Join(s.to.Write(ctx, half), s.tear(batch[len(half):]), s.die())
	case killAfter:
		return errors.Join(s.to.Write(ctx, batch), s.die())
	case freezeInWrite:
		// What is on its way arrives, whatever has become of the term meanwhile.
		return errors.Join(s.freeze(), s.to.Write(context.WithoutCancel(ctx), batch))
	case sinkFails:
		return errOnPurpose
	case sinkPartial:
		return s.some(ctx, batch, func(c *pipeline.Change) error {
			if crc32.ChecksumIEEE([]byte(c.Key.Name))%4 == 0 {
				return errOnPurpose
			}
			return nil
		})
	case sinkRefuses:
		return s.some(ctx, batch, s.refuse)
	case sinkSlow:
		if err := retry.Sleep(ctx, slowDelay); err != nil {
			return err
		}
	case sinkHalf:
		return errors.Join(s.to.Write(ctx, half), errOnPurpose)
	case sinkLost:
		return errors.Join(s.to.Write(ctx, batch), errOnPurpose)
	}
	if err := s.to.Write(ctx, batch); err != nil {
		return err
	}
	return retry.Sleep(ctx, answerDelay)
}

// begin returns what is to go wrong with the write that begins. It returns when
// the sink does not stall, or the process is to die.
func (s *faultySink) begin(ctx context.Context) (kind, error) {
	if s.doomed {
		return killAfter, nil
	}
	for {
		death, err := s.control.takeDeath()
		if err != nil {
			return "", err
		}
		if death == killBurst {
			// The write that stalls is of what was there when it began. What has
			// gathered since is in the one after it.
			s.doomed = true
		} else if death != "" {
			return death, nil
		}
		fault, err := s.control.readFault()
		if fault != sinkStalls || err != nil {
			return fault, err
		}
		if err := retry.Sleep(ctx, stallPoll); err != nil {
			return "", err
		}
	}
}

// some takes what of a batch is not refused.
func (s *faultySink) some(ctx context.Context, batch []*pipeline.Change, refuse func(*pipeline.Change) error) error {
	var taken []*pipeline.Change
	failed := map[int]error{}
	for i, c := range batch {
		if err := refuse(c); err != nil {
			failed[i] = err
		} else {
			taken = append(taken, c)
		}
	}
	if err := s.to.Write(ctx, taken); err != nil {
		return err
	}
	if len(failed) > 0 {
		return &pipeline.BatchError{Failed: failed}
	}
	return nil
}

// refuse refuses some states for good, as a column does that is too narrow: every
// second object's, and of these some versions. It notes which, so that the checker
// need not ask Fairlead.
func (s *faultySink) refuse(c *pipeline.Change) error {
	if c.Op == pipeline.Deleted || c.Key.Cluster == hostileName || crc32.ChecksumIEEE([]byte(c.Key.Name))%2 == 0 || crc32.ChecksumIEEE([]byte(c.ResourceVersion))%4 == 0 {
		return nil
	}
	line, err := json.Marshal(refusal{
		Object:  replay.Object{Cluster: c.Key.Cluster, Resource: c.Key.Resource, Namespace: c.Key.Namespace, Name: c.Key.Name},
		Version: c.ResourceVersion,
	})
	if err != nil {
		return err
	}
	f, err := os.OpenFile(s.control.refused(), os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("note what is refused: %w", err)
	}
	_, err = f.Write(append(line, '\n'))
	return errors.Join(pipeline.Permanent(errTooWide), err, f.Close())
}

// tear leaves half a line behind, as a write does that a kill breaks off.
func (s *faultySink) tear(rest []*pipeline.Change) error {
	if len(rest) == 0 {
		return nil
	}
	f, err := os.OpenFile(s.control.sink(), os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return fmt.Errorf("tear a line: %w", err)
	}
	line := rest[0].AppendCloudEvent(nil)
	_, err = f.Write(line[:len(line)/2])
	return errors.Join(err, f.Close())
}
