package bench

import (
	"path/filepath"
	"testing"

	"k8s.io/client-go/rest"

	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/sinks/file"
)

// BenchmarkEndToEnd is what an event costs the whole program, from a real API
// server to a sink that drops it, or to a file that is synced, with its ledger
// in a file: all objects as they are read first, and then changes while they
// are made, from its start to its end, with which all acks are stored. The bare
// reader reads the same and drops it.
func BenchmarkEndToEnd(b *testing.B) {
	s := requireAPI(b)
	for _, sink := range []string{"null", "file"} {
		b.Run("sink="+sink, func(b *testing.B) {
			b.Run("impl=fairlead", func(b *testing.B) {
				s.measureWhole(b, func(b *testing.B, config *rest.Config) follower {
					dir := b.TempDir()
					var to pipeline.Sink
					if sink == "file" {
						opened, err := file.Open(filepath.Join(dir, "events"))
						if err != nil {
							b.Fatal(err)
						}
						b.Cleanup(func() { _ = opened.Close() })
						to = opened
					}
					return startProgram(b, programOptions{
						ledger: filepath.Join(dir, "ledger"), sink: to,
						members: []*rest.Config{config}, watches: []string{"configmaps"},
					})
				})
			})
			b.Run("impl=bare", func(b *testing.B) { s.measureWhole(b, s.startBareReader) })
		})
	}
}

func (s *apiServer) measureWhole(b *testing.B, start func(b *testing.B, config *rest.Config) follower) {
	writer := s.writer(b)
	var clock stopwatch
	for range b.N {
		clock.measure(func() {
			f := start(b, s.config())
			f.await(b, apiObjects)
			s.change(writer)
			f.await(b, apiChanges)
			f.end()
		})
	}
	clock.report(b, apiObjects+apiChanges)
}
