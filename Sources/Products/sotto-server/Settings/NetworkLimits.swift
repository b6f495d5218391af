import MailboxServer

/// The network side's bounds, under a name that does not collide with the engine's.
typealias NetworkLimits = ServerLimits
