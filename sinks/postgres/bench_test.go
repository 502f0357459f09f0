package postgres_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/fairlead-dev/fairlead/internal/sinkbench"
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

// BenchmarkSink writes states through the sink and with pgx used by itself: one upsert from
// arrays for each batch, each into a table of its own, with the same condition. Client and
// server share the machine, and the CPU is that of both.
//
// "new" writes objects that the table does not have, "next" later states of them, and
// "both" those with the history, which pgx does not write.
func BenchmarkSink(b *testing.B) {
	d := start(b, "shared_buffers = 256MB", "max_wal_size = 4GB", "checkpoint_timeout = 30min")
	changes := benchChanges(b)
	for _, what := range []string{"new", "next", "both"} {
		b.Run("sink=postgres/what="+what+"/impl=fairlead", func(b *testing.B) {
			o := postgres.Options{}
			if what == "both" {
				o.Tables = postgres.Both
			}
			ours, theirs := d.made(b, postgres.Options{}), d.made(b, postgres.Options{})
			o.Schema = ours
			sink, upsert := d.open(b, o), direct(b, d, theirs)
			// Each round writes the next part of the objects, and then they begin anew.
			const part = 8 * benchBatch
			of := func(schema string, round int) []*pipeline.Change {
				parts := len(changes) / part
				at := round % parts * part
				if what == "new" && at == 0 {
					d.exec(b, `TRUNCATE `+schema+`.fairlead_state`)
				}
				next := changes[at : at+part]
				for _, c := range next {
					c.Sequence = uint64(round + 1)
					c.ResourceVersion = strconv.FormatUint(c.Sequence, 10)
				}
				return next
			}
			if what != "new" {
				for round := range len(changes) / part {
					if err := errors.Join(sink.Write(b.Context(), of(ours, round)), upsert(of(theirs, round))); err != nil {
						b.Fatal(err)
					}
				}
			}
			d.exec(b, `CHECKPOINT`)
			first := len(changes) / part
			write := func(schema string, write func([]*pipeline.Change) error) func(round int) error {
				return func(round int) error {
					for batch := range slices.Chunk(of(schema, first+round), benchBatch) {
						if err := write(batch); err != nil {
							return err
						}
					}
					return nil
				}
			}
			sinkbench.Compare(b, part, func() time.Duration { return sinkbench.OfProcess(b) + d.serverCPU(b) },
				write(ours, func(batch []*pipeline.Change) error { return sink.Write(b.Context(), batch) }), write(theirs, upsert))
		})
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
