package postgres_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/sinks/postgres"
)

const (
	benchBatch   = 512
	benchObjects = 40 * benchBatch
)

// benchPod is a Pod of 2.5 KB as API servers have them.
func benchPod(i int) []byte {
	b := fmt.Appendf(nil, `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"web-%[1]d","namespace":"shop","uid":"6d1f0b1e-%[1]012d","labels":{"app":"web","pod-template-hash":"%[2]x"}},"spec":{"nodeName":"node-%[3]d","containers":[`, i, i*7919, i%97)
	for c := range 4 {
		b = fmt.Appendf(b, `{"name":"c%d","image":"registry.example/team/app-%d:v1.%d.%d","args":["--listen=:80%02d","--seed=%x"],"env":[{"name":"POD_IP","valueFrom":{"fieldRef":{"fieldPath":"status.podIP"}}},{"name":"TOKEN_FILE","value":"/var/run/secrets/%x"}],"resources":{"limits":{"cpu":"500m","memory":"256Mi"},"requests":{"cpu":"100m","memory":"128Mi"}},"volumeMounts":[{"name":"kube-api-access-%x","mountPath":"/var/run/secrets/kubernetes.io/serviceaccount","readOnly":true}],"imagePullPolicy":"IfNotPresent"},`, c, i%13, c, i%31, c, i*104729+c, i*31+c, i*17)
	}
	b = append(bytes.TrimSuffix(b, []byte(",")), `]},"status":{"phase":"Running","conditions":[{"type":"Ready","status":"True","lastTransitionTime":"2026-11-27T20:00:00Z"},{"type":"ContainersReady","status":"True","lastTransitionTime":"2026-11-27T20:00:00Z"}]}}`...)
	return b
}

// benchChanges are states of objects of 2.5 KB.
func benchChanges(b *testing.B) (changes []*pipeline.Change) {
	size := 0
	for i := range benchObjects {
		c := pod(fmt.Sprint("web-", i), 1, 1)
		c.Object = benchPod(i)
		size += len(c.Object)
		changes = append(changes, c)
	}
	b.Logf("%d objects of %d bytes on average, in batches of %d", benchObjects, size/benchObjects, benchBatch)
	return changes
}

// writer is one way to write, with what it has used.
type writer struct {
	name           string
	write          func([]*pipeline.Change) error
	took           time.Duration
	client, server time.Duration
}

// BenchmarkWrite writes states through the sink and with pgx used by itself, in turns, so
// that both meet the same machine and the same server: one upsert from arrays for each
// batch, each into a table of its own, with the same condition. Client and server share
// the machine.
//
// "new" writes objects that the table does not have, "next" later states of them. The
// sink is also measured with the history, which pgx does not write.
func BenchmarkWrite(b *testing.B) {
	d := start(b, "shared_buffers = 256MB", "max_wal_size = 4GB", "checkpoint_timeout = 30min")
	changes := benchChanges(b)
	for _, what := range []string{"new", "next"} {
		b.Run(what, func(b *testing.B) {
			var writers []*writer
			var schemas []string
			for _, name := range []string{"pgx", "sink", "both"} {
				w := &writer{name: name}
				o := postgres.Options{Schema: d.made(b, postgres.Options{})}
				schemas = append(schemas, o.Schema)
				switch name {
				case "pgx":
					w.write = direct(b, d, o.Schema)
				case "both":
					o.Tables = postgres.Both
					fallthrough
				default:
					s := d.open(b, o)
					w.write = func(batch []*pipeline.Change) error { return s.Write(b.Context(), batch) }
				}
				writers = append(writers, w)
			}
			sequence := uint64(0)
			pass := func(measured bool) (written int) {
				if sequence++; what == "new" {
					for _, schema := range schemas {
						d.exec(b, `TRUNCATE `+schema+`.fairlead_state, `+schema+`.fairlead_history`)
					}
				}
				for _, c := range changes {
					c.Sequence, c.ResourceVersion = sequence, strconv.FormatUint(sequence, 10)
				}
				for at := 0; at < len(changes); at += 8 * benchBatch {
					for _, w := range writers {
						w.turn(b, d, changes[at:at+8*benchBatch], measured)
					}
				}
				return len(changes)
			}
			pass(false) // connects, and fills the table
			d.exec(b, `CHECKPOINT`)
			written := 0
			for b.Loop() {
				written += pass(true)
			}
			for _, w := range writers {
				b.ReportMetric(float64(written)/w.took.Seconds(), w.name+"-changes/s")
				b.ReportMetric(float64(w.client.Microseconds())/float64(written), w.name+"-client-us")
				b.ReportMetric(float64(w.server.Microseconds())/float64(written), w.name+"-server-us")
			}
			b.ReportMetric(100*writers[0].took.Seconds()/writers[1].took.Seconds(), "%-of-pgx")
			b.ReportMetric((writers[1].client+writers[1].server).Seconds()/(writers[0].client+writers[0].server).Seconds(), "x-CPU-of-pgx")
		})
	}
}

// turn writes some batches.
func (w *writer) turn(b *testing.B, d *database, changes []*pipeline.Change, measured bool) {
	client, server, began := clientCPU(b), d.serverCPU(b), time.Now()
	for batch := range slices.Chunk(changes, benchBatch) {
		if err := w.write(batch); err != nil {
			b.Fatal(err)
		}
	}
	took := time.Since(began)
	if measured {
		w.took += took
		w.server += d.serverCPU(b) - server
		w.client += clientCPU(b) - client
	}
}

// direct returns what writes with pgx alone, as its users do: statements are prepared
// and cached, and values are slices of Go.
func direct(b *testing.B, d *database, schema string) func([]*pipeline.Change) error {
	host, port, _ := strings.Cut(d.addr, ":")
	conn, err := pgx.Connect(b.Context(), fmt.Sprintf("host=%s port=%s user=%s password=%s dbname=postgres sslmode=disable", host, port, user, password))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = conn.Close(context.Background()) })
	sql := `INSERT INTO ` + schema + `.fairlead_state AS o (cluster, resource, namespace, name, cluster_uid, uid, api_version, kind, resource_version, term, sequence, observed, object, altered, written)
		SELECT *, false, now() FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[], $10::bigint[], $11::bigint[], $12::timestamptz[], $13::jsonb[])
		ON CONFLICT (cluster, resource, namespace, name) DO UPDATE SET (cluster_uid, uid, api_version, kind, resource_version, term, sequence, observed, object, altered, written) =
		(excluded.cluster_uid, excluded.uid, excluded.api_version, excluded.kind, excluded.resource_version, excluded.term, excluded.sequence, excluded.observed, excluded.object, excluded.altered, excluded.written)
		WHERE (excluded.term, excluded.sequence) >= (o.term, o.sequence)`
	return func(batch []*pipeline.Change) error {
		var texts [9][]string
		var terms, sequences []int64
		var observed []time.Time
		var objects []string
		for _, c := range batch {
			for i, text := range [...]string{c.Key.Cluster, c.Key.Resource, c.Key.Namespace, c.Key.Name, c.Origin.ClusterUID, string(c.UID), "v1", c.Origin.Kind, c.ResourceVersion} {
				texts[i] = append(texts[i], text)
			}
			terms, sequences = append(terms, int64(c.Origin.Term)), append(sequences, int64(c.Sequence))
			observed, objects = append(observed, c.Observed), append(objects, string(c.Object))
		}
		_, err := conn.Exec(b.Context(), sql, texts[0], texts[1], texts[2], texts[3], texts[4], texts[5], texts[6], texts[7], texts[8], terms, sequences, observed, objects)
		return err
	}
}

// clientCPU is what this process has used.
func clientCPU(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// serverCPU is what the processes of the server have used that live, of which those of
// its connections do.
func (d *database) serverCPU(b *testing.B) (all time.Duration) {
	const tick = 10 * time.Millisecond // USER_HZ is 100
	for _, pid := range d.exec(b, `SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid()`) {
		text, err := os.ReadFile("/proc/" + pid + "/stat")
		if err != nil {
			continue // it has ended, or this is no Linux
		}
		fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
		user, _ := strconv.ParseInt(fields[11], 10, 64)
		system, _ := strconv.ParseInt(fields[12], 10, 64)
		all += time.Duration(user+system) * tick
	}
	return all
}
