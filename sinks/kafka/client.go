package kafka

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/oauth"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"github.com/fairlead-dev/fairlead/internal/redact"
)

const (
	// dialTimeout is how long a connection, with TLS, may take to be made.
	dialTimeout = 5 * time.Second
	// maxAnswer bounds an answer of a broker, in bytes. None that is asked for is
	// large: metadata of a few topics, and of all brokers.
	maxAnswer = 8 << 20
	// maxRetries is how often at most a record is sent again that a broker refuses for now.
	maxRetries = 10
	// refresh is how old metadata is before it is asked for again, also after such a refusal:
	// a leader that has moved is found soon.
	refresh = 500 * time.Millisecond
	// linger is longer than it takes to hand a batch over, which then goes off at once.
	linger = 10 * time.Millisecond
)

var codecs = map[string]kgo.CompressionCodec{
	"zstd": kgo.ZstdCompression(), "snappy": kgo.SnappyCompression(), "lz4": kgo.Lz4Compression(),
	"gzip": kgo.GzipCompression(), "none": kgo.NoCompression(),
}

// connector makes connections to brokers.
type connector struct {
	o       Options
	secrets *redact.Redactor // knows the passwords that were sent

	mu      sync.Mutex
	configs map[string]*tls.Config // by host
}

// maxHosts bounds the hosts whose configuration is kept: a cluster has some hundreds of
// brokers at most.
const maxHosts = 1024

// client returns a producer. It makes one batch of what it gets for a partition at once:
// who hands records over sees to it that they are not too many bytes. The client's own
// limit is asked for once in its life, and so could not follow the topic's.
func (c *connector) client(m *metrics) (*kgo.Client, error) {
	opts := []kgo.Opt{
		kgo.SeedBrokers(c.o.Brokers...),
		kgo.ClientID(c.o.ClientID),
		kgo.Dialer(c.dial),
		kgo.BrokerMaxReadBytes(maxAnswer),
		kgo.FetchMaxBytes(maxAnswer), // nothing is fetched; it must not be more
		kgo.RetryTimeout(c.o.Timeout),
		kgo.MetadataMinAge(refresh),
		kgo.DisableClientMetrics(),
		kgo.WithHooks(m),

		kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.AllowIdempotentProduceCancellation(), // or a broker that hangs could hold Write for ever
		kgo.RecordPartitioner(kgo.StickyKeyPartitioner(nil)),
		kgo.ProducerLinger(linger),
		kgo.ProducerBatchCompression(codecs[c.o.Compression], kgo.NoCompression()),
		kgo.ProducerBatchMaxBytes(largest),
		kgo.RecordDeliveryTimeout(c.o.Timeout),
		kgo.RecordRetries(retriesWithin(c.o.Timeout)),
	}
	if c.o.Mechanism != "" {
		opts = append(opts, kgo.SASL(c.mechanism()))
	}
	return kgo.NewClient(opts...)
}

// retriesWithin returns how often a record is sent again in a write of so long. They end in
// about a quarter of that time, so that the error is the broker's, which says more than that the
// time is over.
func retriesWithin(timeout time.Duration) int {
	return min(max(int(timeout/(4*refresh)), 1), maxRetries)
}

// mechanism returns what proves to a broker who this is. It asks for the password or
// token for each connection.
func (c *connector) mechanism() sasl.Mechanism {
	secret := func(ctx context.Context) (string, error) {
		text, err := c.o.Secret(ctx)
		c.secrets.Note(text)
		return text, err
	}
	scrams := func(ctx context.Context) (scram.Auth, error) {
		text, err := secret(ctx)
		return scram.Auth{User: c.o.User, Pass: text}, err
	}
	switch c.o.Mechanism {
	case "scram-sha-256":
		return scram.Sha256(scrams)
	case "scram-sha-512":
		return scram.Sha512(scrams)
	case "oauthbearer":
		return oauth.Oauth(func(ctx context.Context) (oauth.Auth, error) {
			text, err := secret(ctx)
			return oauth.Auth{Token: text}, err
		})
	}
	return plain.Plain(func(ctx context.Context) (plain.Auth, error) {
		text, err := secret(ctx)
		return plain.Auth{User: c.o.User, Pass: text}, err
	})
}

// dial connects to a broker, which may be one that another broker has named.
func (c *connector) dial(ctx context.Context, network, address string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil || c.o.TLS == nil {
		return conn, err
	}
	config, err := c.config(address)
	if err != nil {
		_ = conn.Close() // It is of no use.
		return nil, err
	}
	secured := tls.Client(conn, config)
	if err := secured.HandshakeContext(ctx); err != nil {
		_ = conn.Close() // It is of no use, and closed already if the time was over.
		return nil, fmt.Errorf("TLS with %s: %w", address, err)
	}
	return secured, nil
}

// config returns the configuration for the broker of that address.
func (c *connector) config(address string) (*tls.Config, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if config := c.configs[host]; config != nil {
		return config, nil
	}
	config, err := c.o.TLS(host)
	if err == nil && len(c.configs) < maxHosts {
		c.configs[host] = config
	}
	return config, err
}
