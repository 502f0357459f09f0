package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/fairlead-dev/fairlead/bench/internal/simserver"
	"github.com/fairlead-dev/fairlead/internal/testenv"
)

// ready begins the line that says that the kubeconfig is there.
const ready = "Simulating "

// serve simulates the members until ctx ends.
func serve(ctx context.Context, s settings, out io.Writer) error {
	server, err := simserver.New(s.shape)
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var wg sync.WaitGroup
	var served, churned error
	wg.Go(func() {
		served = server.Run(ctx)
		stop()
	})
	var targets []testenv.Target
	for _, m := range server.Members() {
		targets = append(targets, m)
	}
	if err := testenv.WriteKubeconfig(s.kubeconfig, targets...); err != nil {
		stop()
		wg.Wait()
		return errors.Join(err, served)
	}
	_, _ = fmt.Fprintf(out, ready+"%d members with %d objects of about %d bytes of each of %s.\nFollow them with:\n\n"+
		"  fairlead run --clusters kubeconfig:%s --watch %s\n\n",
		s.shape.Clusters, s.shape.Objects, s.shape.Size, strings.Join(s.shape.Resources, ", "), s.kubeconfig, strings.Join(s.shape.Resources, ","))
	wg.Go(func() { _, churned = server.Churn(ctx, s.churn) })

	ticker := time.NewTicker(s.interval)
	defer ticker.Stop()
	var before simserver.Stats
	for {
		select {
		case <-ctx.Done():
			wg.Wait()
			return errors.Join(served, churned)
		case <-ticker.C:
		}
		now := server.Stats()
		seconds := s.interval.Seconds()
		_, _ = fmt.Fprintf(out, "members: %d watches open, %d lists so far, %.0f events/s sent, %.1f MiB/s\n",
			now.Open, now.Lists, float64(now.Events-before.Events)/seconds, float64(now.Bytes-before.Bytes)/seconds/(1<<20))
		before = now
	}
}
