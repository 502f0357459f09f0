package pgserver

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/fairlead-dev/fairlead/internal/credentials"
	"github.com/fairlead-dev/fairlead/internal/spec"
)

// Options say how to reach the primary.
type Options struct {
	// Hosts are HOST or HOST:PORT of the servers, of which the one is used that takes
	// writes. They are tried in this order, but first that which was found last. Of
	// each at most 8 addresses are tried. The port is 5432 if there is none. Required.
	Hosts []string
	// Database and User say where to log in, and as whom. Both required.
	Database, User string
	// Password returns the password. It is asked for each connection. nil: there is
	// none.
	Password func(context.Context) (string, error)
	// TLS returns the configuration for a server of that host name or address. It is
	// asked once. nil: connections are not encrypted.
	TLS func(host string) (*tls.Config, error)
	// Application is the name of the program, as the server shows it among its
	// connections.
	Application string
	// Timeout is how long all hosts together may take to connect. None takes so much of
	// it, nor more than 10 seconds, that no time is left for the next one. Required.
	Timeout time.Duration
	// MaxAnswer is how much a server may say to connect, and until the next
	// Conn.Allow, in bytes; it bounds each message, too. Required.
	MaxAnswer int
	// Fsync: a server with fsync = off is refused.
	Fsync bool
}

// Params describes the parameters of a kind that Of reads.
func Params() []spec.Param {
	return slices.Concat([]spec.Param{
		{Name: "password-file", Type: spec.File, Meaning: "file that holds the user's password, read for each connection"},
		{Name: "sslmode", Type: spec.Choice, Choices: []string{"verify-full", "disable"}, Default: "verify-full", Meaning: "whether connections are encrypted and the server is verified, or neither"},
	}, credentials.Params())
}

// Of returns what a text of the form postgres://USER@HOST[:PORT][,HOST...]/DATABASE
// and its parameters say: Hosts, Database, User, Password and TLS. The error joins all
// mistakes. Files are not read yet.
func Of(v *spec.Value) (Options, error) {
	o := Options{Hosts: v.Hosts, User: v.User, Database: strings.TrimPrefix(v.Path, "/")}
	files, err := credentials.TLSOf(v)
	errs := []error{err}
	if v.Str("sslmode") == "disable" && !files.IsZero() {
		errs = append(errs, errors.New("ca, cert, key and server-name are of no use with sslmode=disable; leave out one or the other"))
	}
	if o.User == "" {
		errs = append(errs, errors.New("no user stands before the host; write postgres://USER@HOST/DATABASE"))
	}
	if o.Database == "" || strings.ContainsRune(o.Database, '/') {
		errs = append(errs, errors.New("one database must follow the host; write postgres://USER@HOST/DATABASE"))
	}
	if v.Str("sslmode") != "disable" {
		o.TLS = func(host string) (*tls.Config, error) { return files.For(host).Config() }
	}
	if path := v.Str("password-file"); path != "" {
		o.Password = func(context.Context) (string, error) {
			text, err := credentials.Read(path)
			if err != nil {
				err = fmt.Errorf("password-file: %w", err)
			}
			return text, err
		}
	}
	return o, errors.Join(errs...)
}

// fallback says how to reach one host.
func (o *Options) fallback(host string) (*pgconn.FallbackConfig, error) {
	name, port, err := withPort(host)
	if err != nil {
		return nil, err
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil || number == 0 {
		return nil, fmt.Errorf("the port of %q is no number from 1 to 65535", host)
	}
	f := &pgconn.FallbackConfig{Host: name, Port: uint16(number)}
	if o.TLS != nil {
		if f.TLSConfig, err = o.TLS(name); err != nil {
			return nil, err
		}
	}
	return f, nil
}

// withPort returns host and port.
func withPort(host string) (name, port string, err error) {
	if name, port, err = net.SplitHostPort(host); err == nil {
		return name, port, nil
	}
	name = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	if name == "" || strings.ContainsAny(name, "/[] ") {
		return "", "", fmt.Errorf("%q is no HOST or HOST:PORT", host)
	}
	return name, "5432", nil
}
