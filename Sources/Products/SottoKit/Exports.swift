// Who uses the library meets these types in its interface, and need not know in which target each one lies.
@_exported public import ConversationEngine
@_exported public import SottoProtocol
