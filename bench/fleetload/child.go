package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// childEnv is set in the process that serves the members of a --run. It ends
// when its standard input does, so that it does not outlive the other one.
const childEnv = "FAIRLEAD_FLEETLOAD_MEMBERS"

// runBoth serves the members in a process of their own and follows them in this
// one, so that what it tells of memory is the follower's alone.
func runBoth(ctx context.Context, s settings, args []string, out io.Writer) (err error) {
	if os.Getenv(childEnv) != "" {
		ctx, stop := context.WithCancel(ctx)
		defer stop()
		go func() { // it ends with the process
			_, _ = io.Copy(io.Discard, os.Stdin)
			stop()
		}()
		return serve(ctx, s, out)
	}
	dir, err := os.MkdirTemp("", "fleetload-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	s.kubeconfig = filepath.Join(dir, "kubeconfig")
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	end, err := startMembers(append(args, "--kubeconfig", s.kubeconfig, "--duration", "0"), out, stop)
	if err != nil {
		return err
	}
	return errors.Join(follow(ctx, s, out), end())
}

// startMembers starts the process that serves the members and waits until it
// does. It calls ended when the process has ended, whether asked to or not.
func startMembers(args []string, out io.Writer, ended func()) (end func() error, err error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	child := exec.CommandContext(context.Background(), program, args...) // ends with its input
	child.Env = append(os.Environ(), childEnv+"=1")
	child.Stderr = os.Stderr
	child.WaitDelay = 10 * time.Second
	input, err := child.StdinPipe()
	if err != nil {
		return nil, err
	}
	output, err := child.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := child.Start(); err != nil {
		return nil, fmt.Errorf("start the members: %w", err)
	}
	var wg sync.WaitGroup
	serving := make(chan bool, 1)
	wg.Go(func() {
		lines := bufio.NewScanner(output)
		for lines.Scan() {
			switch line := lines.Text(); {
			case strings.HasPrefix(line, ready):
				_, _ = fmt.Fprintln(out, line)
				serving <- true
			case strings.HasPrefix(line, "members:"):
				_, _ = fmt.Fprintln(out, line)
			}
		}
		serving <- false
		ended()
	})
	end = func() error {
		// Closing a second time, by Wait, is no failure.
		err := input.Close()
		wg.Wait()
		if failed := child.Wait(); failed != nil {
			err = errors.Join(err, fmt.Errorf("the process that serves the members: %w", failed))
		}
		return err
	}
	if !<-serving {
		return nil, errors.Join(errors.New("the members could not be started"), end())
	}
	return end, nil
}
