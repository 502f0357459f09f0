package app

import (
	"fmt"
	"io"
	"log/slog"

	"github.com/go-logr/logr"
)

func parseLevel(s string) (slog.Level, error) {
	switch s {
	case "debug":
		return slog.LevelDebug, nil
	case "info":
		return slog.LevelInfo, nil
	case "warn":
		return slog.LevelWarn, nil
	case "error":
		return slog.LevelError, nil
	}
	return 0, fmt.Errorf("%q is none of debug, info, warn, error", s)
}

// newLeveledLogger returns a logger that writes to w. The format has been checked.
func newLeveledLogger(w io.Writer, level slog.Leveler, format string) logr.Logger {
	o := &slog.HandlerOptions{Level: level, ReplaceAttr: durationsInWords}
	if format == "json" {
		return logr.FromSlogHandler(slog.NewJSONHandler(w, o))
	}
	return logr.FromSlogHandler(slog.NewTextHandler(w, o))
}

// durationsInWords has JSON say "20s" as text does, instead of a number of
// nanoseconds that looks like one of something else.
func durationsInWords(_ []string, a slog.Attr) slog.Attr {
	if a.Value.Kind() == slog.KindDuration {
		a.Value = slog.StringValue(a.Value.Duration().String())
	}
	return a
}
