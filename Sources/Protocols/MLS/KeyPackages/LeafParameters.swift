/// What a member decides about its own leaf; keys and signature are added to it.
public struct LeafParameters: Sendable, Hashable {
  public var credential: Credential
  public var capabilities: Capabilities
  public var extensions: [Extension]

  public init(credential: Credential, capabilities: Capabilities, extensions: [Extension] = []) {
    self.credential = credential
    self.capabilities = capabilities
    self.extensions = extensions
  }

  /// The parameters that a leaf was made with.
  public init(_ leaf: LeafNode) {
    self.init(credential: leaf.credential, capabilities: leaf.capabilities, extensions: leaf.extensions)
  }
}
