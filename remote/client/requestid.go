package client

import (
	"context"
	"log/slog"
	"net/http"

	"pss/remote/api"
)

type requestIDKey struct{}

// ForRequest returns ctx for work that is done for the request with the context r but
// may outlive it: it carries r's id, by which people find it in the logs of everybody
// on the way.
func ForRequest(ctx, r context.Context) context.Context {
	id, _ := r.Value(requestIDKey{}).(string)
	if id == "" {
		return ctx
	}
	return context.WithValue(ctx, requestIDKey{}, id)
}

// traced logs each request that carries an id, and passes the id on to the requests
// that are made for it.
func traced(log *slog.Logger, h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// An id is a log's: what could fake a line of it is none.
		if id := r.Header.Get(api.HeaderRequestID); id != "" && len(id) <= maxRequestID {
			if r.Context().Value(logLaterKey{}) == nil {
				log.Info("request", "id", id, "method", r.Method, "path", r.URL.Path)
			}
			r = r.WithContext(context.WithValue(r.Context(), requestIDKey{}, id))
		}
		h.ServeHTTP(w, r)
	})
}

type logLaterKey struct{}

// LogLater is for the ConnContext of a server that strangers reach: a request gets its
// line in the log by LogRequest, once it is known who asks.
func LogLater(ctx context.Context) context.Context {
	return context.WithValue(ctx, logLaterKey{}, true)
}

// LogRequest logs a request that carries an id.
func LogRequest(log *slog.Logger, r *http.Request, args ...any) {
	if id, _ := r.Context().Value(requestIDKey{}).(string); id != "" {
		log.Info("request", append([]any{"id", id, "method", r.Method, "path", r.URL.Path}, args...)...)
	}
}

// maxRequestID is more than any id of ours has.
const maxRequestID = 64
