package app

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/fairlead-dev/fairlead/internal/testca"
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/sinks"
)

// A destination whose certificate has expired is down: the check and the error of a write
// name the cause, and no change is given up.
func TestExpiredCertificatesOfDestinations(t *testing.T) {
	ca, err := testca.New("expired")
	if err != nil {
		t.Fatal(err)
	}
	pair, err := ca.Expired()
	if err != nil {
		t.Fatal(err)
	}
	cert, err := tls.X509KeyPair(pair.Cert, pair.Key)
	if err != nil {
		t.Fatal(err)
	}
	caFile := filepath.Join(t.TempDir(), "ca.pem")
	writeFile(t, caFile, string(ca.PEM()))
	t.Setenv("AWS_ACCESS_KEY_ID", "a")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "b")
	kinds := new(Options).sinkKinds()
	for scheme, value := range map[string]string{
		"postgres": "postgres://fairlead@HOST/changes",
		"https":    "https://HOST/changes",
		"kafka":    "kafka://HOST/changes",
		"nats":     "nats://HOST/changes",
		"s3":       "s3://HOST/changes?region=us-east-1",
		"otlp":     "otlp:https://HOST/v1/logs",
	} {
		t.Run(scheme, func(t *testing.T) {
			value = strings.Replace(value, "HOST", serveExpired(t, scheme, cert), 1)
			separator := "?"
			if strings.Contains(value, "?") {
				separator = "&"
			}
			spec, err := kinds.Parse(value + separator + "ca=" + caFile)
			if err != nil {
				t.Fatal(err)
			}
			sink, err := spec.Open(t.Context(), sinks.Env{Log: logr.Discard(), Registerer: prometheus.NewRegistry(), Stdout: io.Discard})
			if err != nil {
				t.Fatal(err)
			}
			defer func() {
				if c, ok := sink.(io.Closer); ok {
					_ = c.Close()
				}
			}()
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			checker, ok := sink.(sinks.Checker)
			if !ok {
				t.Fatal("it has no check")
			}
			if err := checker.Check(ctx); err == nil || !strings.Contains(err.Error(), "expired") {
				t.Errorf("the check says %v", err)
			}
			ctx, cancel = context.WithTimeout(t.Context(), patience)
			defer cancel()
			change := &pipeline.Change{
				Key:    pipeline.Key{Cluster: "alpha", Resource: "pods", Namespace: "ns", Name: "n"},
				Origin: &pipeline.Origin{Cluster: "alpha", ClusterUID: "c", Resource: schema.GroupVersionResource{Version: "v1", Resource: "pods"}, Namespaced: true, Kind: "Pod", Term: 1}, Op: pipeline.Added, UID: "u", ResourceVersion: "1", Sequence: 1,
				Object: []byte(`{"apiVersion":"v1","kind":"Pod","metadata":{"name":"n","namespace":"ns","uid":"u","resourceVersion":"1"}}`), Observed: time.Now(),
			}
			err = sink.Write(ctx, []*pipeline.Change{change})
			if err == nil || !strings.Contains(err.Error(), "expired") {
				t.Errorf("the write says %v", err)
			}
			if partial, ok := errors.AsType[*pipeline.BatchError](err); ok {
				err = partial.Failed[0]
			}
			if pipeline.IsPermanent(err) {
				t.Errorf("%v would make it a dead letter", err)
			}
		})
	}
}

// serveExpired answers as a server of a kind does until TLS begins.
func serveExpired(t *testing.T, scheme string, cert tls.Certificate) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = conn.Close() }()
				_ = conn.SetDeadline(time.Now().Add(patience))
				switch scheme {
				case "postgres":
					if _, err := io.ReadFull(conn, make([]byte, 8)); err != nil {
						return
					}
					_, _ = io.WriteString(conn, "S")
				case "nats":
					_, _ = io.WriteString(conn, `INFO {"server_id":"x","version":"2.11.0","proto":1,"headers":true,"max_payload":1048576,"jetstream":true,"tls_required":true}`+"\r\n")
				}
				_ = tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}).Handshake()
			}()
		}
	}()
	return l.Addr().String()
}
