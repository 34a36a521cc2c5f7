// Package broker says how a Kafka cluster is reached: addresses, TLS, SASL, and what its refusals mean.
//
// It belongs here if the source and the sink of Kafka need it alike and it knows neither rows nor flows.
//
// An [Access] is a value; [Access.Options] makes the options of a client of it, which fail on what cannot be
// meant (an unknown mechanism, a certificate that cannot be read) before anything is dialled. Secrets are
// read where a connection is authenticated, so that a token file that is renewed is used anew.
//
// Of Freshet's packages it may import cdc alone.
package broker
